// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server of Java, as far as memory goes: it has once used 400 MiB, uses 50 from then on, and
 * makes garbage all the time.
 */
public class Server {
	private static final int BLOCK = 64 << 10, BLOCKS_OF_MIB = 16;

	private static byte[][] fill(int mib) {
		byte[][] blocks = new byte[mib * BLOCKS_OF_MIB][];

		for (int i = 0; i < blocks.length; i++) {
			blocks[i] = new byte[BLOCK];
			for (int j = 0; j < BLOCK; j += 4096)
				blocks[i][j] = 1;
		}
		return blocks;
	}

	public static void main(String[] arguments) throws InterruptedException {
		byte[][] used = fill(400);
		long garbage = used.length;

		used = null;
		used = fill(50);
		System.out.println("ready");
		while (true) {
			for (byte[] block : fill(1))
				garbage += block[0];
			used[(int)(garbage % used.length)][0]++;
			Thread.sleep(200);
		}
	}
}
