# SPDX-License-Identifier: GPL-2.0-only
"""The example of Dynamic Memory that the demo shows.

policy   what the host decides from the guest's reports
story    the steps of the example, and what is observed
table    the live view in a terminal
picture  timeline and memory layout as a picture
"""
