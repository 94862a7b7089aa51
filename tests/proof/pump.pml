/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of who runs when: the pump, the two slow work items, the memory notifier, the
 * OOM and PM notifiers, remove and hibernation. Spin visits every order of their steps.
 *
 * Proved: no order hangs; each request is answered once, or at
 * most once if the channel closes; nothing runs after the channel is closed or the device
 * is freed that needs it; memory is not removed under a migration; both setters of a state
 * are only asked for moves that they allow (test_proof.py compares those with the driver).
 *
 * Assumed:
 *  - the host asks after the agreement, and drains its ring: hvb_send() does not wait;
 *  - one memory block is hot-added, one is evacuated and taken offline; an offer is one
 *    block, and a deadline passes after LIMIT looks at the latest;
 *  - a migration, an add_memory() and a program that holds the hotplug lock end at last;
 *  - a work item is as the kernel has it: it runs once at a time, is queued once, and
 *    cannot be queued while it is cancelled;
 *  - memory is as in sequential consistency; spinlocks are atomic steps;
 *  - remove frees the device itself; that a freeze can leave it to a work item
 *    (hvb_free_device()) is not modelled;
 *  - one wait with a limit stands for those of oom.c and pending.c;
 *  - programs are frozen before suspend() and hold no hotplug lock then.
 *
 * What takes part is chosen by REQUESTS, OFFLINE, OOM, PM, REMOVE.
 */
#ifndef REQUESTS
#define REQUESTS	1
#endif
#define LIMIT		1

mtype:state = {
	HVB_STATE_CLOSED, HVB_STATE_OPENED, HVB_STATE_VERSION, HVB_STATE_CAPABILITIES, HVB_STATE_RUNNING, HVB_STATE_FAILED
};

mtype:offer = {
	HVB_HOT_ADD_IDLE, HVB_HOT_ADD_NEXT, HVB_HOT_ADD_ADDING, HVB_HOT_ADD_ONLINING,
	HVB_HOT_ADD_PARKED
};

/* The messages, by what the host answers or asks for. */
mtype:message = { VERSION, CAPABILITIES };
#define INFLATE		0
#define DEFLATE		1
#define OFFER		2

chan answers = [2] of { mtype:message, bit };	/* of the host, in the negotiation */
chan requests = [2] of { byte };		/* of the host, later */
chan wire = [2] of { mtype:message };		/* to the host, in the negotiation */

mtype:state state = HVB_STATE_CLOSED;
mtype:offer offer = HVB_HOT_ADD_IDLE;
byte asked[3];
byte answered[3];

/* Work items. */
#define PUMP		0
#define CHUNK		1
#define ADD		2
bit queued[3];
bit runs[3];
bit cancelled[3];
bit timer;			/* the pump has set one */

/* Locks that are held while others run. */
bit transfer_lock;
bit hotplug_lock;
bit device_lock;

bit stopping = 1;
bit pausing;
bit rested;
bit opened;			/* the channel */
bit freed;			/* the device */
bit closing;
bit negotiated;

/* Inflate, and the chunk work. */
bit inflating;
bit wanted;
bit made;
bit exhausted;
bit reserve;
bit evacuating;			/* evac->range */
bit going_offline;		/* map->going_offline */
bit online = 1;			/* of the block that is evacuated */
bit present = 1;		/* it has struct pages */

/* The add work. */
bit busy;
bit failed;			/* its result: no memory */
bit pending_block;
bit block_online;

byte looks;			/* at the deadlines of inflate and negotiation */
byte looks_at_offer;
bit refused_once;

/* Who is in a callback, and whether there may be more. */
byte in_oom;
bit oom_unregistered;
bit in_memory;
bit in_pm;

/* Who has still something to do. */
byte unfinished;

#define MOVE(old, new, from, to)	(old == from && new == to)

inline set_state(new)
{
	assert(MOVE(state, new, HVB_STATE_CLOSED, HVB_STATE_OPENED) ||
	       MOVE(state, new, HVB_STATE_OPENED, HVB_STATE_VERSION) ||
	       MOVE(state, new, HVB_STATE_OPENED, HVB_STATE_CLOSED) ||
	       MOVE(state, new, HVB_STATE_VERSION, HVB_STATE_VERSION) ||
	       MOVE(state, new, HVB_STATE_VERSION, HVB_STATE_CAPABILITIES) ||
	       MOVE(state, new, HVB_STATE_VERSION, HVB_STATE_FAILED) ||
	       MOVE(state, new, HVB_STATE_VERSION, HVB_STATE_CLOSED) ||
	       MOVE(state, new, HVB_STATE_CAPABILITIES, HVB_STATE_RUNNING) ||
	       MOVE(state, new, HVB_STATE_CAPABILITIES, HVB_STATE_FAILED) ||
	       MOVE(state, new, HVB_STATE_CAPABILITIES, HVB_STATE_CLOSED) ||
	       MOVE(state, new, HVB_STATE_RUNNING, HVB_STATE_CLOSED) ||
	       MOVE(state, new, HVB_STATE_FAILED, HVB_STATE_CLOSED));
	state = new
}

inline set_offer(new)
{
	assert(MOVE(offer, new, HVB_HOT_ADD_IDLE, HVB_HOT_ADD_NEXT) ||
	       MOVE(offer, new, HVB_HOT_ADD_NEXT, HVB_HOT_ADD_IDLE) ||
	       MOVE(offer, new, HVB_HOT_ADD_NEXT, HVB_HOT_ADD_ADDING) ||
	       MOVE(offer, new, HVB_HOT_ADD_NEXT, HVB_HOT_ADD_PARKED) ||
	       MOVE(offer, new, HVB_HOT_ADD_ADDING, HVB_HOT_ADD_IDLE) ||
	       MOVE(offer, new, HVB_HOT_ADD_ADDING, HVB_HOT_ADD_NEXT) ||
	       MOVE(offer, new, HVB_HOT_ADD_ADDING, HVB_HOT_ADD_ONLINING) ||
	       MOVE(offer, new, HVB_HOT_ADD_ADDING, HVB_HOT_ADD_PARKED) ||
	       MOVE(offer, new, HVB_HOT_ADD_ONLINING, HVB_HOT_ADD_IDLE) ||
	       MOVE(offer, new, HVB_HOT_ADD_ONLINING, HVB_HOT_ADD_NEXT) ||
	       MOVE(offer, new, HVB_HOT_ADD_PARKED, HVB_HOT_ADD_IDLE) ||
	       MOVE(offer, new, HVB_HOT_ADD_PARKED, HVB_HOT_ADD_NEXT));
	offer = new
}

inline lock(mutex)
{
	atomic { mutex == 0 -> mutex = 1 }
}

inline unlock(mutex)
{
	mutex = 0
}

inline queue(work)
{
	atomic {
		assert(!freed);
		if
		:: !cancelled[work] -> queued[work] = 1
		:: else
		fi
	}
}

/* cancel_work_sync(), cancel_delayed_work_sync() */
inline cancel_sync(work)
{
	atomic {
		cancelled[work] = 1;
		queued[work] = 0;
		if
		:: work == PUMP -> timer = 0
		:: else
		fi
	}
	atomic { !runs[work] -> cancelled[work] = 0 }
}

/* hvb_kick() */
inline kick()
{
	atomic {
		assert(!freed);
		if
		:: !stopping && !cancelled[PUMP] -> queued[PUMP] = 1
		:: else
		fi
	}
}

inline answer(request)
{
	atomic {
		assert(opened);
		answered[request]++;
		assert(answered[request] <= asked[request])
	}
}

#define must_rest	(pausing || stopping)

/* hvb_evacuate_stop() */
inline evacuate_stop()
{
	atomic { wanted = 0; reserve = 0; exhausted = 1; made = 0 }
}

/* hvb_inflate_end() */
inline inflate_end()
{
	if
	:: inflating ->
		answer(INFLATE);
		evacuate_stop();
		inflating = 0
	:: else
	fi
}

/* hvb_add_abandon() and hvb_hot_add_end() */
inline hot_add_end()
{
	if
	:: offer != HVB_HOT_ADD_IDLE ->
		atomic {
			if
			:: offer == HVB_HOT_ADD_ADDING && queued[ADD] ->
				queued[ADD] = 0;
				busy = 0
			:: else
			fi
		}
		set_offer(HVB_HOT_ADD_IDLE);
		answer(OFFER)
	:: else
	fi
}

/* hvb_dispatch() */
inline dispatch_answer(what, accepted)
{
	if
	:: what == VERSION && state == HVB_STATE_VERSION ->
		if
		:: accepted ->
			set_state(HVB_STATE_CAPABILITIES);
			looks = 0;
			wire!CAPABILITIES
		:: !accepted && !refused_once ->
			refused_once = 1;
			set_state(HVB_STATE_VERSION);
			looks = 0;
			wire!VERSION
		:: !accepted && refused_once ->
			set_state(HVB_STATE_FAILED);
			negotiated = 1
		fi
	:: what == CAPABILITIES && state == HVB_STATE_CAPABILITIES ->
		if
		:: accepted -> set_state(HVB_STATE_RUNNING)
		:: else -> set_state(HVB_STATE_FAILED)
		fi;
		negotiated = 1
	:: else
	fi
}

inline dispatch_request(what)
{
	inflate_end();
	if
	:: what == INFLATE ->
		looks = 0;
		inflating = 1;
		exhausted = 0
	:: what == DEFLATE ->
		lock(transfer_lock);
		unlock(transfer_lock);
		answer(DEFLATE)
	:: what == OFFER ->
		hot_add_end();
		if
		:: set_offer(HVB_HOT_ADD_NEXT);
		   looks_at_offer = 0;
		   block_online = 0
		:: answer(OFFER)	/* refused */
		fi
	fi
}

/* hvb_negotiate_run() */
inline negotiate_run()
{
	if
	:: state == HVB_STATE_OPENED ->
		set_state(HVB_STATE_VERSION);
		looks = 0;
		again = 1;
		wire!VERSION
	:: state == HVB_STATE_VERSION || state == HVB_STATE_CAPABILITIES ->
		if
		:: looks < LIMIT -> looks++; sleeps = 1
		:: set_state(HVB_STATE_FAILED); negotiated = 1
		fi
	:: else
	fi
}

/* hvb_inflate_run(): all is there, or waits for a chunk or for reclaim, or ends short */
inline inflate_run()
{
	if
	:: !inflating || must_rest
	:: else ->
		made = 0;
		lock(transfer_lock);
		unlock(transfer_lock);
		if
		:: looks < LIMIT && !exhausted ->
			looks++;
			wanted = 1;
			queue(CHUNK);
			sleeps = 1
		:: answer(INFLATE);
		   evacuate_stop();
		   inflating = 0;
		   reserve = 1;
		   queue(CHUNK)
		fi
	fi
}

/* hvb_hot_add_run() */
inline hot_add_run()
{
	if
	:: offer == HVB_HOT_ADD_IDLE || must_rest
	:: else ->
		if
		:: offer == HVB_HOT_ADD_ADDING && busy
		:: offer == HVB_HOT_ADD_ADDING && !busy && !failed ->
			set_offer(HVB_HOT_ADD_ONLINING);
			again = 1
		:: offer == HVB_HOT_ADD_ADDING && !busy && failed ->
			set_offer(HVB_HOT_ADD_NEXT);
			if
			:: looks_at_offer < LIMIT ->
				looks_at_offer++;
				set_offer(HVB_HOT_ADD_PARKED);
				sleeps = 1
			:: hot_add_end()
			fi
		:: offer == HVB_HOT_ADD_ONLINING ->
			/* Ends when the block is online, or its second has passed. */
			if
			:: !block_online && looks_at_offer < LIMIT ->
				looks_at_offer++;
				sleeps = 1
			:: hot_add_end()
			fi
		:: offer == HVB_HOT_ADD_PARKED ->
			set_offer(HVB_HOT_ADD_NEXT);
			again = 1
		:: offer == HVB_HOT_ADD_NEXT && busy
		:: offer == HVB_HOT_ADD_NEXT && !busy ->
			lock(transfer_lock);	/* the map grows */
			unlock(transfer_lock);
			if
			:: pending_block = 1;
			   busy = 1;
			   set_offer(HVB_HOT_ADD_ADDING);
			   queue(ADD)
			:: hot_add_end()	/* an error, or a block that is known is filled */
			fi
		fi
	fi
}

/* hvb_turn() */
inline turn()
{
	again = 0;
	sleeps = 0;
	do
	:: atomic { !stopping && nempty(answers) -> answers?m(accepted) };
		dispatch_answer(m, accepted)
	:: atomic { !stopping && empty(answers) && nempty(requests) && !pausing -> requests?r };
		dispatch_request(r)
	:: else -> break
	od;
	negotiate_run();
	if
	:: pausing -> rested = 1
	:: else ->
		if
		:: rested ->
			rested = 0;
			looks = 0;
			looks_at_offer = 0;
			queue(CHUNK)
		:: else
		fi;
		inflate_run();
		hot_add_run()
	fi
}

active proctype pump()
{
	mtype:message m;
	bit accepted, again, sleeps;
	byte r;

end:	do
	:: atomic { queued[PUMP] -> queued[PUMP] = 0; timer = 0; runs[PUMP] = 1 };
		assert(opened && !freed);
		do
		:: turn();
			if
			:: !again || stopping -> break
			:: else
			fi
		od;
		atomic {
			if
			:: sleeps && !stopping && !cancelled[PUMP] && !queued[PUMP] -> timer = 1
			:: else
			fi
		};
		runs[PUMP] = 0
	:: atomic { timer -> timer = 0; queued[PUMP] = 1 }
	od
}

/* hvb_evacuate_work() */
active proctype chunk_work()
{
	bit scanned;

end:	do
	:: atomic { queued[CHUNK] -> queued[CHUNK] = 0; runs[CHUNK] = 1 };
		assert(!freed);
		do
		:: must_rest || (!wanted && !reserve) -> break
		:: else ->
			lock(transfer_lock);
			scanned = 0;
			atomic {
				if
				:: !must_rest && online && !going_offline ->
					evacuating = 1;
					scanned = 1
				:: else
				fi
			}
			unlock(transfer_lock);
			if
			:: scanned ->
				assert(present);
				/* Migration: waits for what it likes. */
				assert(present);
				evacuating = 0
			:: else
			fi;
			atomic {
				if
				:: wanted -> wanted = 0; made = scanned; exhausted = !scanned
				:: else -> reserve = 0
				fi
			}
			kick()
		od;
		runs[CHUNK] = 0
	od
}

/* hvb_oom_event(): a task runs out of memory */
inline out_of_memory()
{
	if
	:: atomic { !oom_unregistered -> in_oom++ };
		kick();
		if
		:: pending_block ->
			if
			:: !pending_block
			:: true -> pending_block = 0		/* a second has passed */
			fi
		:: else
		fi;
		in_oom--
	:: oom_unregistered
	fi
}

/* hvb_add_work(), with a block that comes online in add_memory() or stays offline */
active proctype add_work()
{
end:	do
	:: atomic { queued[ADD] -> queued[ADD] = 0; runs[ADD] = 1 };
		assert(!freed && busy);
		lock(hotplug_lock);
		if
		:: failed = 0;
			if
			:: !closing ->
#ifdef OOM
				out_of_memory();
#endif
				atomic { block_online = 1; pending_block = 0 }
				kick()
			:: true		/* offline until a program onlines it */
			fi
		:: failed = 1
		fi;
		unlock(hotplug_lock);
		busy = 0;
		kick();
		runs[ADD] = 0
	od
}

/* The channel callback runs while the channel is open. */
inline answer_if_open(what)
{
	atomic {
		if
		:: opened -> answers!what(accepts); kick()
		:: else
		fi
	}
}

active proctype host()
{
	byte left = REQUESTS;
	bit accepts;

end:	do
	:: wire?VERSION ->
		if
		:: accepts = 1
		:: accepts = 0
		fi;
		answer_if_open(VERSION)
	:: wire?CAPABILITIES ->
		if
		:: accepts = 1
		:: accepts = 0
		fi;
		answer_if_open(CAPABILITIES)
	:: wire?VERSION			/* and does not answer */
	:: atomic { left && opened && state == HVB_STATE_RUNNING && nfull(requests) ->
		left--;
		if
		:: asked[INFLATE]++; requests!INFLATE
		:: asked[DEFLATE]++; requests!DEFLATE
		:: asked[OFFER]++; requests!OFFER
		fi;
		kick()
	   }
	od
}

/* hvb_pump_start() */
inline pump_start()
{
	atomic {
		opened = 1;
		negotiated = 0;
		refused_once = 0;
		set_state(HVB_STATE_OPENED);
		stopping = 0
	}
	kick()
}

/* hvb_pump_stop() */
inline pump_stop()
{
	if
	:: state == HVB_STATE_CLOSED
	:: else ->
		stopping = 1;
		cancel_sync(PUMP);
		inflate_end();
		hot_add_end();
		atomic {
			/* The rings go with the channel. */
			do
			:: answers?_, _
			:: requests?_
			:: wire?_
			:: empty(answers) && empty(requests) && empty(wire) -> break
			od;
			opened = 0;
			set_state(HVB_STATE_CLOSED)
		}
	fi
}

/* hvb_probe(), and hvb_remove() if REMOVE says so, or if the host refuses */
active proctype driver()
{
	unfinished++;
	lock(device_lock);
	pump_start();
	(negotiated || pausing);
#ifndef REMOVE
	if
	:: state != HVB_STATE_FAILED -> unlock(device_lock); unfinished--; goto end
	:: else
	fi;
#else
	if
	:: state != HVB_STATE_FAILED -> unlock(device_lock); lock(device_lock)
	:: else
	fi;
#endif
	pump_stop();
	/* hvb_oom_exit(), hvb_slow_exit() */
	atomic { in_oom == 0 -> oom_unregistered = 1 };
	evacuate_stop();
	cancel_sync(CHUNK);
	cancel_sync(ADD);
	/* hvb_memory_notifier_exit(): the callback, partial blocks, the notifier */
	closing = 1;
	lock(hotplug_lock);
	unlock(hotplug_lock);
	atomic { !in_memory && !in_pm -> freed = 1 };
	unlock(device_lock);
	unfinished--;
end:	skip
}

#ifdef OFFLINE
/* A program takes the block offline and removes it: hvb_memory_event() */
active proctype offline()
{
	bit may;

	unfinished++;
	lock(hotplug_lock);
	if
	:: atomic { !freed && !pausing -> in_memory = 1 };
		/* hvb_offline_begin() */
		lock(transfer_lock);
		going_offline = !stopping;
		unlock(transfer_lock);
		if
		:: !evacuating -> may = 1
		:: true -> may = 0		/* two seconds have passed */
		fi;
		kick();
		if
		:: may ->
			online = 0;
			lock(transfer_lock);	/* hvb_offline_end() */
			going_offline = 0;
			unlock(transfer_lock);
			/* Isolated pageblocks: a migration there ends at once. */
			!evacuating
		:: true ->
			may = 0;
			lock(transfer_lock);	/* hvb_offline_cancel() */
			going_offline = 0;
			unlock(transfer_lock)
		fi;
		kick();
		in_memory = 0;
		if
		:: may -> present = 0
		:: else
		fi
	:: freed || pausing
	fi;
	unlock(hotplug_lock);
	unfinished--
}
#endif

#ifdef OOM
active proctype program()
{
	unfinished++;
	out_of_memory();
	unfinished--
}
#endif

#ifdef PM
/* A freeze that is tried, or a hibernation: hvb_pm_event(), hvb_suspend(), hvb_resume() */
active proctype power()
{
	unfinished++;
	if
	:: atomic { !freed -> in_pm = 1 };
		pausing = 1;
		negotiated = 1;
		if
		:: !runs[CHUNK]
		:: true				/* two seconds have passed */
		fi;
		kick();
		in_pm = 0;
		if
		:: !in_memory ->
			lock(device_lock);
			if
			:: !freed && opened ->
				pump_stop();
				pump_start()
			:: else
			fi;
			unlock(device_lock)
		:: true
		fi;
		pausing = 0;
		if
		:: atomic { !freed -> in_pm = 1 };
			kick();
			in_pm = 0
		:: freed
		fi
	:: freed
	fi;
	unfinished--
}
#endif

/* When no step is left. */
active proctype quiet()
{
	timeout;
	assert(!unfinished);
	assert(!queued[PUMP] && !queued[CHUNK] && !queued[ADD]);
	assert(!runs[PUMP] && !runs[CHUNK] && !runs[ADD]);
	assert(!transfer_lock && !hotplug_lock && !device_lock);
	assert(freed || state == HVB_STATE_RUNNING || state == HVB_STATE_FAILED);
	assert(offer == HVB_HOT_ADD_IDLE && !inflating && empty(requests));
	assert(!freed || state == HVB_STATE_CLOSED);
#if !defined(REMOVE) && !defined(PM)
	assert(asked[INFLATE] == answered[INFLATE]);
	assert(asked[DEFLATE] == answered[DEFLATE]);
	assert(asked[OFFER] == answered[OFFER])
#endif
}
