#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Inside a guest: who pays for a heap's memory, and which NUMA node that comes from. The heap
# is that of spanalloc_cgroup, a module which does what is written to its parameters. Argument
# of the kernel's command line: span_nodes=N says how many nodes there have to be.
#
# memory.current of a cgroup is of this moment, with up to 64 pages for each processor that
# are paid for in advance. The kernel's part of it in memory.stat is without these, but some
# moments late. The processes that were in the cgroup leave it when they end, and some pages
# of theirs later. A granule is much more than all of that.

MODULES=/lib/spanalloc
CGROUPS=/sys/fs/cgroup
HEAP=/sys/kernel/debug/spanalloc/cgroup
PARAMETERS=/sys/module/spanalloc_cgroup/parameters
number=0
failed=0

# result GOOD NAME
result() {
	number=$((number + 1))
	if [ "$1" -ne 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=$((failed + 1))
	fi
}

# check NAME COMMAND...: a command that has to succeed; says why if it does not. Those that
# follow find the heap without spans, and no limit.
check() {
	local name=$1 good=1
	shift
	"$@" || good=0
	result "$good" "$name"
	[ "$good" -eq 0 ] || return 0
	{
		set_parameter how 0
		set_parameter shared 0
		set_parameter free 1
		echo max >"$CGROUPS/box/payer/memory.max"
	} 2>/dev/null
}

page_kib=$(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' /proc/self/smaps | head -n 1)
cpus=$(grep -c '^processor' /proc/cpuinfo)
slack=$((64 * cpus))

# Pages that cgroup $1 pays for, and those that the kernel has of them.
current() {
	echo $(($(cat "$CGROUPS/$1/memory.current") / 1024 / page_kib))
}

kernel() {
	echo $(($(sed -n 's/^kernel //p' "$CGROUPS/$1/memory.stat") / 1024 / page_kib))
}

# tells NAME [HEAP]: what the heap says of itself.
tells() {
	sed -n "s/^$1  *//p" "${2:-$HEAP}/stats"
}

# is WHAT VALUE EXPECTED
is() {
	[ "$2" -eq "$3" ] && return
	echo "# $1: $2, not $3"
	return 1
}

# near WHAT VALUE EXPECTED [SLACK]
near() {
	local by=${4:-$slack}
	[ "$2" -ge $(($3 - by)) ] && [ "$2" -le $(($3 + by)) ] && return
	echo "# $1: $2, not $3, give or take $by"
	return 1
}

# Until cgroup $1 is settled: processes and what they used are gone some time after they end.
settle() {
	local before=-1 now tries
	for tries in $(seq 20); do
		now="$(current "$1") $(kernel "$1")"
		[ "$now" != "$before" ] || return 0
		before=$now
		sleep 0.5
	done
	echo "# cgroup $1 does not settle after $tries looks: $now"
}

# by CGROUP COMMAND...: in that cgroup.
by() {
	local name=$1
	shift
	(echo 0 >"$CGROUPS/$name/cgroup.procs" && "$@")
}

set_parameter() {
	echo "$2" >"$PARAMETERS/$1"
}

# alloc PAGES [HOW]: 0: GFP_KERNEL, 1: GFP_NOWAIT, 2: GFP_ATOMIC, 3: in a hard interrupt.
alloc() {
	set_parameter how "${2:-0}" && set_parameter alloc "$1" 2>/dev/null
}

# In the way in which the last was allocated.
give() {
	set_parameter free 1
}

# refused ERRNO PAGES [HOW]
refused() {
	local errno=$1
	shift
	! alloc "$@" && is "error of alloc $*" "$(cat "$PARAMETERS/error")" "-$errno"
}

# What is paid for in cgroup $1 since "start" was said: $2 pages.
start() {
	settle "$1"
	base_current=$(current "$1")
	base_kernel=$(kernel "$1")
}

pays() {
	local tries
	near "memory.current of $1" $(($(current "$1") - base_current)) "$2" || return
	# The statistic is brought up to date every two seconds, or so.
	for tries in $(seq 20); do
		near "kernel memory of $1, look $tries" $(($(kernel "$1") - base_kernel)) "$2" 64 \
			>/tmp/near && return
		sleep 0.5
	done
	cat /tmp/near
	return 1
}

nothing_is_backed() {
	is 'idle pages' "$(tells idle_pages)" 0 && is 'backed pages' "$(tells backed_pages)" 0
}

event() {
	sed -n "s/^$1 //p" "$CGROUPS/$2/memory.events"
}

dying() {
	sed -n 's/^nr_dying_descendants //p' "$CGROUPS/$1/cgroup.stat"
}

# What a processor has paid for in advance keeps the cgroup, even if nothing is left of it.
# A processor that has some for cgroup "other" gives up all of it for the sake of its limit.
forget_stocks() {
	local cpu
	for cpu in $(seq 0 $((cpus - 1))); do
		by other taskset $((1 << cpu)) true
	done
	echo 0 >"$CGROUPS/other/memory.high"
	echo max >"$CGROUPS/other/memory.high"
}

# no_longer_dying CGROUP: what is below it is gone, not merely removed.
no_longer_dying() {
	local tries
	for tries in $(seq 40); do
		[ "$(dying "$1")" -ne 0 ] || return 0
		forget_stocks
		sleep 0.25
	done
	is "dying cgroups after $tries looks" "$(dying "$1")" 0
}

load() {
	insmod "$MODULES/spanalloc_cgroup.ko" "$@"
}

unload() {
	rmmod spanalloc_cgroup
}

granule() {
	tells granule_pages
}

# --- who pays -------------------------------------------------------------------------------

prepare_cgroups() {
	mount -t cgroup2 cgroup2 "$CGROUPS" &&
		echo +memory >"$CGROUPS/cgroup.subtree_control" &&
		mkdir "$CGROUPS/box" &&
		echo +memory >"$CGROUPS/box/cgroup.subtree_control" &&
		mkdir "$CGROUPS/box/payer" "$CGROUPS/other"
}

# One page less than three granules; the heap has three.
less() {
	echo $((3 * $(granule) - 1))
}

the_creator_pays() {
	start box/payer
	by other alloc "$(less)" && is 'backed pages' "$(tells backed_pages)" $((3 * $(granule))) &&
		pays box/payer $((3 * $(granule)))
}

who_allocates_pays_nothing() {
	settle other
	near 'kernel memory of who allocated' "$(kernel other)" 0 64
}

what_is_freed_is_not_paid_for() {
	by other give && nothing_is_backed && pays box/payer 0
}

# Charged in one interrupt and uncharged in another, whoever was interrupted.
interrupts_charge_who_pays() {
	by other alloc "$(less)" 3 && pays box/payer $((3 * $(granule))) &&
		by other give && nothing_is_backed && pays box/payer 0
}

the_default_heap_is_free() {
	set_parameter shared 1 && by box/payer alloc $((4 * $(granule))) &&
		is 'pages of the default heap' "$(tells backed_pages "${HEAP%/*}/default")" \
			$((4 * $(granule))) &&
		settle box/payer && pays box/payer 0 && give && set_parameter shared 0
}

# Room for three granules, not for four.
limit_to_three() {
	echo $(((base_current + 3 * $(granule) + slack) * page_kib * 1024)) \
		>"$CGROUPS/box/payer/memory.max"
}

more_than_the_limit_is_refused() {
	limit_to_three && refused 12 $((5 * $(granule))) && nothing_is_backed && pays box/payer 0
}

up_to_the_limit_is_granted() {
	alloc "$(less)" && pays box/payer $((3 * $(granule)))
}

without_sleeping_it_is_refused() {
	refused 11 "$(granule)" 1 && pays box/payer $((3 * $(granule)))
}

# As the kernel's own may; see design.rst.
atomic_allocations_go_above() {
	alloc "$(granule)" 2 && pays box/payer $((4 * $(granule))) && give && nothing_is_backed &&
		pays box/payer 0
}

# scatter NODE...: leaves no blocks there.
scatter() {
	local node
	for node; do
		set_parameter scatter "$node" || return
	done
}

some_are_scattered() {
	[ "$(tells backed_scattered)" -gt 0 ] && return
	echo "# $(tells backed) granules, all of them blocks"
	return 1
}

single_pages_are_paid_for() {
	# shellcheck disable=SC2046 # a list
	scatter $(seq 0 $((nodes - 1))) && alloc "$(less)" && some_are_scattered &&
		pays box/payer $((3 * $(granule))) && give && nothing_is_backed && pays box/payer 0
}

nobody_is_killed() {
	is 'oom_kill' "$(event oom_kill box/payer)" 0 && is 'oom' "$(event oom box/payer)" 0 &&
		[ "$(event max box/payer)" -gt 0 ]
}

sound_without_scavenger() {
	grep -q '^ok ' "$HEAP/check" && is 'steps of the scavenger' "$(tells scavenge_steps)" 0
}

# The heap outlives its cgroup, and what it takes from then on is paid for by the parent.
parent_pays_for_a_removed_cgroup() {
	alloc "$(less)" || return
	start box
	rmdir "$CGROUPS/box/payer" && is 'dying cgroups' "$(dying box)" 1 &&
		pays box 0 && alloc "$(less)" && pays box $((3 * $(granule))) &&
		give && nothing_is_backed && pays box $((-3 * $(granule)))
}

the_heap_lets_go_of_its_cgroup() {
	is 'dying cgroups' "$(dying box)" 1 && unload && no_longer_dying box && rmdir "$CGROUPS/box"
}

memory_cases() {
	check 'a heap is made in a cgroup' by box/payer load account=1
	check 'the cgroup that made the heap pays, whoever allocates' the_creator_pays
	check 'who allocates pays nothing' who_allocates_pays_nothing
	check 'what is freed is paid for no more, and not idle' what_is_freed_is_not_paid_for
	check 'in hard interrupts it is the same' interrupts_charge_who_pays
	check 'nobody pays for the default heap' the_default_heap_is_free
	check 'what is more than the limit is refused, and given back' more_than_the_limit_is_refused
	check 'what the limit allows is granted' up_to_the_limit_is_granted
	check 'without sleeping, the limit holds' without_sleeping_it_is_refused
	check 'GFP_ATOMIC goes above the limit' atomic_allocations_go_above
	check 'granules of single pages are paid for as well' single_pages_are_paid_for
	check 'nobody was killed' nobody_is_killed
	check 'the parent pays for a cgroup that is removed' parent_pays_for_a_removed_cgroup
	check 'the heap is sound, and its scavenger never had to work' sound_without_scavenger
	check 'with the heap goes the last reference on its cgroup' the_heap_lets_go_of_its_cgroup
}

# --- which node -----------------------------------------------------------------------------

# on NODE PAGES [MORE]...: as get_nodes() of the module says it.
on() {
	[ "$(cat "$PARAMETERS/nodes")" = "$* " ] && return
	echo "# pages are on $(cat "$PARAMETERS/nodes"), not on $*"
	return 1
}

# The second heap keeps nothing idle, which cases that follow would get again. Here nobody
# pays, for we are in no cgroup.
memory_is_on_its_node() {
	load nid=0 && alloc 3000 && on 0:3000 1:0 && give && unload &&
		load nid=1 account=1 && alloc 3000 && on 0:0 1:3000 && give
}

# There are blocks on the other node.
single_pages_are_on_their_node() {
	scatter 1 && alloc 3000 && some_are_scattered && on 0:0 1:3000 && give
}

# Pages free on node $1.
free_on() {
	echo $(($(sed -n 's/^Node [0-9]* MemFree: *\([0-9]*\) kB/\1/p' \
		"/sys/devices/system/node/node$1/meminfo") / page_kib))
}

# Half as much again as there is on the node: most of it must be used, and the rest found.
a_full_node_is_no_limit() {
	local there want=0 here
	there=$(free_on 1)
	while [ "$want" -lt $((there * 3 / 2)) ]; do
		alloc 4096 || return
		want=$((want + 4096))
	done
	here=$(sed -n 's/^0:[0-9]* 1:\([0-9]*\) $/\1/p' "$PARAMETERS/nodes")
	on "0:$((want - here))" "1:$here" || return
	echo "# $here of $want pages are on the node, where $there were free"
	[ "$here" -gt $((there * 3 / 4)) ] && give && unload
}

# --- what is in pieces ----------------------------------------------------------------------

of_default() {
	tells "$1" "${HEAP%/*}/default"
}

# The default heap sees to idle memory whenever some has been freed.
is_repaired() {
	local tries
	for tries in $(seq 60); do
		alloc "$(granule)" && give || return
		[ "$(of_default repaired)" -eq 0 ] || return 0
		sleep 0.5
	done
	echo "# no granule is repaired after $tries looks"
	return 1
}

# Where there are no blocks a heap is given single pages; when they are idle, and the module's
# pages are back so that there are blocks again, it exchanges them.
pieces_become_blocks_again() {
	local scattered more=$((4 * $(of_default granule_pages)))
	scattered=$(of_default backed_scattered)
	# shellcheck disable=SC2046 # a list
	load && scatter $(seq 0 $((nodes - 1))) && set_parameter shared 1 &&
		alloc $(($(of_default idle_pages) + more)) && give || return
	scattered=$(($(of_default backed_scattered) - scattered))
	echo "# $scattered granules of the default heap are in pieces"
	[ "$scattered" -gt 0 ] && is 'granules repaired without blocks' "$(of_default repaired)" 0 &&
		unload && load && set_parameter shared 1 && is_repaired && set_parameter shared 0 &&
		grep -q '^ok ' "${HEAP%/*}/default/check" && unload
}

# loads_never PARAMETER...: the heap cannot be made like that.
loads_never() {
	local said
	said=$(load "$@" 2>&1) && unload
	case $said in
	*'Invalid argument'*) return 0 ;;
	esac
	echo "# with $*: ${said:-loaded}"
	return 1
}

what_makes_no_sense_is_refused() {
	loads_never nid="$nodes" && loads_never nid=-2 && loads_never nid=5000 &&
		loads_never account=1 retain_percent=10
}

node_cases() {
	check 'memory is on the node of its heap' memory_is_on_its_node
	check 'single pages are, too, though others have blocks' single_pages_are_on_their_node
	check 'a full node is no limit' a_full_node_is_no_limit
}

nodes=$(sed -n 's/.*span_nodes=\([0-9]*\).*/\1/p' /proc/cmdline)
dmesg -n 5
echo "KTAP version 1"
echo "1..$((nodes > 1 ? 24 : 21))"
check 'there are cgroups of memory' prepare_cgroups
check 'there are as many nodes as there have to be' \
	is nodes "$(find /sys/devices/system/node -name 'node[0-9]*' 2>/dev/null | wc -l)" \
	$((nodes > 1 ? nodes : 0))
check 'the module is loaded' insmod "$MODULES/spanalloc.ko"
memory_cases
[ "$nodes" -eq 1 ] || node_cases
check 'granules of single pages become blocks when there are some' pieces_become_blocks_again
check 'a node that is not there is refused, and a share of what is charged' \
	what_makes_no_sense_is_refused
check 'unloaded' rmmod spanalloc
echo "guest-cgroup: $failed failed"
[ "$failed" -eq 0 ]
