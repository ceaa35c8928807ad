#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Programs that know nothing of spanalloc, in a guest: each is told a path to map its buffers
# from, and that path is /dev/spanalloc. Of every run three things are shown: that the
# program succeeded, and found its data to be right where it can look at them; that it was
# in our mapping that it worked; and that everything came back when it had ended.
#
# fio does direct I/O on the disk and verifies what it reads by checksums. perftest moves
# memory to memory by RDMA, through pages that are pinned as long as it runs; ib_write_lat
# waits for each byte to appear in its own memory, so that it ends only if the data arrive.

DISK=/dev/vda
BUFFERS=/dev/spanalloc
HEAP=/sys/kernel/debug/spanalloc/default
# perftest's port, 18515, as /proc/net/tcp has it, in a socket that listens.
LISTENING=':4853 [0-9A-F]*:0000 0A'
number=0
failed=0

# result GOOD NAME
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=$((failed + 1))
	fi
}

# comment [FILE]
comment() {
	sed 's/^/# /' "$@"
}

# wrong WHAT...: for functions whose status is a result.
wrong() {
	echo "# $*"
	bad=1
}

stat_of() {
	sed -n "s/^$1  *//p" "$HEAP/stats"
}

# sectors 3|7: those read from the disk, or written to it, up to now.
sectors() {
	awk -v field="$1" '{ print $field }' "/sys/block/${DISK##*/}/stat"
}

# all_back: what closing and exiting leave to do is done at once, except where I/O that was
# under way still holds pages: that ends by itself, the sooner the less the machine has to do.
all_back() {
	local tries=300 check
	while [ "$(stat_of in_use_pages)" -ne 0 ] || [ "$(stat_of quarantined_pages)" -ne 0 ]; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || break
		usleep 100000
	done
	bad=0
	[ "$tries" -gt 0 ] || wrong "$(stat_of in_use_pages) pages in use," \
		"$(stat_of quarantined_pages) in quarantine"
	check=$(cat "$HEAP/check")
	case $check in
	'ok '*) ;;
	*) wrong "check: $check" ;;
	esac
	return "$bad"
}

# pinned_in FILE: bytes that a process has pinned for long, of a /proc/PID/status; nothing if
# it has gone.
pinned_in() {
	awk '/^VmPin:/ { print $2 * 1024 }' "$1" 2>/dev/null
}

# --- fio ---

# Run by fio in each job, when it has its buffers: what the heap holds, and what the job does.
# What fio adds, to keep the output in a file of its own, is left to a command without any.
# shellcheck disable=SC2016 # for the shell that fio starts
SAMPLE='cat /sys/kernel/debug/spanalloc/default/stats /proc/$PPID/maps /proc/$PPID/status \
	>>/tmp/samples;:'

# jobs_seen: how many have looked.
jobs_seen() {
	grep -cs '^in_use_pages' /tmp/samples || [ -e /tmp/samples ] || echo 0
}

# run_fio ARGUMENT...: leaves fio.out, samples and the counters of before.
run_fio() {
	rm -f /tmp/samples
	allocs=$(stat_of allocs)
	sectors_read=$(sectors 3)
	sectors_written=$(sectors 7)
	fio --filename="$DISK" --direct=1 --group_reporting --eta=never --exec_prerun="$SAMPLE" \
		--output-format=normal,json --aux-path=/tmp "$@" >/tmp/fio.out 2>&1
}

# from_json: "ERRORS BYTES-READ BYTES-WRITTEN" as fio sums it up.
from_json() {
	awk '/^ *"(read|write|trim)" : \{/ { what = $1 }
		/^ *"error" : / { errors += $3 }
		/^ *"io_bytes" : / { bytes[what] += $3 }
		END { printf "%d %d %d\n", errors, bytes["\"read\""], bytes["\"write\""] }' /tmp/fio.out
}

# fio_lines: of what fio says to people, who and how much.
fio_lines() {
	grep -E '^[^ ]+: \(groupid|^  (read|write): IOPS|issued rwts|^ +(READ|WRITE): bw|^fio: |verify' \
		/tmp/fio.out | grep -v -e '"' -e "^$DISK" | comment
}

# fio_text: all that it says to people.
fio_text() {
	sed '/^{/,/^}/d' /tmp/fio.out | comment
}

# fio_did BYTES: fio found no error, and read and wrote so many bytes at least, which the
# disk has seen: verifying would else have been done from the page cache.
fio_did() {
	# shellcheck disable=SC2046 # three words
	set -- "$1" $(from_json)
	bad=0
	[ "$status" -eq 0 ] || wrong "fio: status $status"
	[ "$2" -eq 0 ] || wrong "fio: error $2"
	[ "$3" -ge "$1" ] || wrong "only $3 bytes read"
	[ "$4" -ge "$1" ] || wrong "only $4 bytes written"
	[ $((($(sectors 3) - sectors_read) * 512)) -ge "$3" ] || wrong "not all is read from the disk"
	[ $((($(sectors 7) - sectors_written) * 512)) -ge "$4" ] || wrong "not all went to the disk"
	[ "$bad" -eq 0 ] || fio_text
	return "$bad"
}

# fio_mapped JOBS PAGES: each job made one allocation, of so many pages at least, and looked
# at itself while it had it.
fio_mapped() {
	local samples maps most made
	samples=$(jobs_seen)
	maps=$(grep -c ' rw-s .*spanalloc' /tmp/samples)
	most=$(sed -n 's/^in_use_pages *//p' /tmp/samples | sort -n | tail -n 1)
	made=$(($(stat_of allocs) - allocs))
	echo "# $made allocations, ${most:-0} pages in use"
	bad=0
	[ "$made" -eq "$1" ] || wrong "$made allocations by $1 jobs"
	[ "$samples" -eq "$1" ] || wrong "$samples of $1 jobs looked"
	[ "$maps" -ge "$1" ] || wrong "only $maps mappings of $BUFFERS"
	[ "${most:-0}" -ge $(($1 * $2)) ] || wrong "that are less than $(($1 * $2))"
	return "$bad"
}

# fio_case JOBS PAGES BYTES ARGUMENT...: PAGES of each job, BYTES of all.
fio_case() {
	local jobs=$1 pages=$2 bytes=$3
	shift 3
	echo "# fio $*"
	run_fio --mem=mmapshared:$BUFFERS --verify=crc32c --verify_fatal=1 "$@"
	status=$?
	fio_lines
	fio_did "$bytes"
	result $? "fio $name: data verified"
	fio_mapped "$jobs" "$pages"
	result $? "fio $name: in our mapping"
	all_back
	result $? "fio $name: everything is back"
}

# four_jobs: of one process. With --numjobs each thread of fio 3.33 frees the one path to map
# that all of them have; jobs with names of their own have paths of their own.
four_jobs() {
	local i
	for i in 0 1 2 3; do
		printf '%s ' --name=thread$i --mem=mmapshared:$BUFFERS --offset=$((i * 8))m
	done
}

# fio_verified: the engines and shapes of direct I/O, each one written and verified.
fio_verified() {
	name='psync, 4 KiB'
	fio_case 1 1 4194304 --name=psync --ioengine=psync --rw=randwrite --bs=4k --size=4m
	name='psync, blocks of 4 MiB'
	fio_case 1 1024 33554432 --name=large --ioengine=psync --rw=write --bs=4m --size=32m
	name='libaio, 32 under way'
	fio_case 1 512 8388608 --name=libaio --ioengine=libaio --iodepth=32 --rw=randwrite \
		--bs=64k --size=8m
	name='libaio, reads and writes mixed'
	fio_case 1 64 1048576 --name=mixed --ioengine=libaio --iodepth=16 --rw=randrw --bs=16k \
		--size=8m
	name='io_uring, 32 under way'
	fio_case 1 128 8388608 --name=uring --ioengine=io_uring --iodepth=32 --rw=randwrite \
		--bs=16k --size=8m
	# Sizes of odd sectors, one buffer behind the other: most of them cross pages.
	name='libaio, 4 processes, sizes at random'
	fio_case 4 70 16777216 --name=sizes --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bssplit=512/20:2560/20:4k/20:7168/20:17920/20 --blockalign=512 --size=4m \
		--numjobs=4 --offset_increment=8m
	name='io_uring, 4 threads, sizes at random'
	# shellcheck disable=SC2046 # a list of options
	fio_case 4 70 16777216 --thread --ioengine=io_uring --iodepth=16 --rw=randwrite \
		--bssplit=512/20:2560/20:4k/20:7168/20:17920/20 --blockalign=512 --size=4m \
		$(four_jobs)
	name='libaio, buffers aligned to 1 MiB'
	fio_case 1 256 4177920 --name=aligned --ioengine=libaio --iodepth=8 --rw=write --bs=12k \
		--size=4080k --iomem_align=1m
}

# registers_files: does io_uring take buffers for registration that are mapped from a file?
# Before 6.5 it takes none, unless they are shared memory.
registers_files() {
	uname -r | awk -F '[.-]' '{ exit !($1 > 6 || ($1 == 6 && $2 >= 5)) }'
}

fio_registered() {
	local bytes
	set -- --name=fixed --ioengine=io_uring --fixedbufs=1 --registerfiles=1 --iodepth=32 \
		--rw=randwrite --bs=16k --size=8m
	name='io_uring, registered buffers'
	if registers_files; then
		fio_case 1 128 8388608 "$@"
		bytes=$(pinned_in /tmp/samples)
		echo "# pinned: $bytes bytes"
		[ "${bytes:-0}" -ge 524288 ]
		result $? "fio $name: pinned as long as they are registered"
		return
	fi
	run_fio --mem=mmapshared:$BUFFERS "$@"
	status=$?
	grep '^fio: .*error=' /tmp/fio.out | comment
	[ "$status" -ne 0 ] && grep -q 'error=Operation not supported' /tmp/fio.out
	result $? "fio $name: refused, as for each mapping of a file by this kernel"
	all_back
	result $? "fio $name: everything is back"
}

# The same job, which only reads, so that nothing of what it is given is written to.
fio_counterproof() {
	local engine
	for engine in psync libaio io_uring; do
		set -- --name=counterproof --ioengine=$engine --rw=read --bs=4k --size=64k
		run_fio --mem=mmapshared:/dev/mem "$@"
		status=$?
		fio_lines
		[ "$status" -ne 0 ] && grep -q 'error=Bad address' /tmp/fio.out
		result $? "fio $engine: a mapping without struct pages fails with EFAULT"
		run_fio --mem=mmapshared:$BUFFERS "$@"
		result $? "fio $engine: the same job in our mapping does not"
	done
}

# What fio has written is changed: it must say so, or its verifying means nothing.
fio_planted() {
	set -- --name=planted --ioengine=libaio --iodepth=8 --rw=write --bs=16k --size=1m \
		--mem=mmapshared:$BUFFERS --verify=crc32c --verify_fatal=1
	run_fio "$@" --do_verify=0
	result $? "planted: data are written"
	run_fio "$@" --verify_only
	result $? "planted: they are verified"
	dd if=/dev/urandom of="$DISK" bs=64 seek=12345 count=1 conv=notrunc 2>/dev/null
	sync
	run_fio "$@" --verify_only
	status=$?
	fio_lines
	[ "$status" -ne 0 ] && grep -q 'verify failed' /tmp/fio.out
	result $? "planted: 64 bytes are changed, which fio finds out"
}

# I/O is under way when it is killed.
fio_killed() {
	local tries=300
	rm -f /tmp/samples
	run_fio --name=killed --ioengine=io_uring --iodepth=64 --rw=randrw --bs=16k --size=8m \
		--numjobs=4 --offset_increment=8m --time_based --runtime=600 \
		--mem=mmapshared:$BUFFERS &
	while [ "$(jobs_seen)" -lt 4 ] && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		usleep 100000
	done
	echo "# $(stat_of in_use_pages) pages in use"
	[ "$(stat_of in_use_pages)" -ge 1024 ]
	result $? "fio killed: in our mapping"
	# shellcheck disable=SC2046 # a list of processes
	kill -KILL $(pidof fio)
	wait
	all_back
	result $? "fio killed: everything is back"
}

# --- perftest ---

# The ends of a perftest run, once started.
server='' client=''

rdma_device() {
	ip addr add 10.0.0.1/24 dev dummy0 && ip link set dummy0 up &&
		rdma link add rxe0 type rxe netdev dummy0 && rdma link | comment
	result "$?" "a network card for RDMA, in software"
}

# start_perftest FILE PROGRAM ARGUMENT...: its two ends. One that waits for data that never
# arrive is ended. -F: on a busy machine it cannot tell how fast the clock goes, and would give
# no report.
start_perftest() {
	local file=$1 tries=300
	shift
	allocs=$(stat_of allocs)
	timeout 300 "$@" -F -d rxe0 --mmap="$file" >/tmp/server.out 2>&1 &
	server=$!
	while ! grep -q "$LISTENING" /proc/net/tcp && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		usleep 100000
	done
	timeout 300 "$@" -F -d rxe0 --mmap="$file" 10.0.0.1 >/tmp/client.out 2>&1 &
	client=$!
}

# run_perftest FILE PROGRAM ARGUMENT...: sets what each end had pinned at most, how much was in
# use, and how they ended.
run_perftest() {
	local seen
	server_pinned=0 client_pinned=0 most=0
	start_perftest "$@"
	while [ -e "/proc/$client" ]; do
		seen=$(pinned_in "/proc/$server/status")
		[ "${seen:-0}" -le "$server_pinned" ] || server_pinned=$seen
		seen=$(pinned_in "/proc/$client/status")
		[ "${seen:-0}" -le "$client_pinned" ] || client_pinned=$seen
		seen=$(stat_of in_use_pages)
		[ "$seen" -le "$most" ] || most=$seen
		usleep 20000
	done
	wait "$client"
	client_status=$?
	wait "$server"
	server_status=$?
}

# perftest_lines: the client's table, and where its buffer is.
perftest_lines() {
	grep -h -E '^allocated mmap|^ #bytes|^ [0-9]+ +[0-9]+ ' /tmp/client.out | comment
}

# perftest_case BYTES PROGRAM ARGUMENT...: BYTES that each end registers at least.
perftest_case() {
	local bytes=$1 made
	shift
	echo "# $*"
	run_perftest $BUFFERS "$@"
	perftest_lines
	bad=0
	[ "$client_status" -eq 0 ] || wrong "client: status $client_status"
	[ "$server_status" -eq 0 ] || wrong "server: status $server_status"
	grep -q '^ [0-9][0-9]* *[0-9][0-9]* ' /tmp/client.out || wrong "no results"
	[ "$bad" -eq 0 ] || comment /tmp/server.out /tmp/client.out
	result "$bad" "$1: went through"

	made=$(($(stat_of allocs) - allocs))
	echo "# $made allocations, $most pages in use, pinned: $server_pinned and $client_pinned bytes"
	bad=0
	[ "$made" -eq 2 ] || wrong "$made allocations by two ends"
	[ "$server_pinned" -ge "$bytes" ] || wrong "the server has not pinned $bytes bytes"
	[ "$client_pinned" -ge "$bytes" ] || wrong "the client has not pinned $bytes bytes"
	[ "$most" -ge $((2 * bytes / 4096)) ] || wrong "less than that is in use"
	result "$bad" "$1: pinned in our mapping as long as it runs"
	all_back
	result $? "$1: everything is back"
}

perftest_counterproof() {
	run_perftest /dev/mem ib_read_bw --size=4096 --iters=100
	bad=0
	grep -h "Couldn't allocate MR" /tmp/server.out /tmp/client.out | comment
	[ "$client_status" -ne 0 ] || wrong "it went through"
	grep -q "Couldn't allocate MR" /tmp/client.out || wrong "its memory was not refused"
	[ "$bad" -eq 0 ] || comment /tmp/client.out
	result "$bad" "ib_read_bw: a mapping without struct pages is refused"
}

# Both ends are killed while the card has their pages.
perftest_killed() {
	local tries=1000 bytes=0
	start_perftest $BUFFERS ib_write_bw --size=65536 --iters=1000000
	while [ "${bytes:-0}" -lt 131072 ] && [ "$tries" -gt 0 ]; do
		tries=$((tries - 1))
		bytes=$(pinned_in "/proc/$client/status")
		usleep 20000
	done
	echo "# $(stat_of in_use_pages) pages in use, pinned: $bytes bytes"
	[ "${bytes:-0}" -ge 131072 ] && [ "$(stat_of in_use_pages)" -ge 32 ]
	result $? "ib_write_bw killed: pinned in our mapping"
	kill -KILL "$server" "$client"
	wait
	all_back
	result $? "ib_write_bw killed: everything is back"
}

echo "KTAP version 1"
insmod /lib/spanalloc/spanalloc.ko
result $? "the module is loaded"
fio --version | comment
fio_verified
fio_registered
fio_counterproof
fio_planted
fio_killed
rdma_device
perftest_case 4096 ib_write_lat --iters=1000
perftest_case 131072 ib_write_bw --size=65536 --iters=200
perftest_case 131072 ib_read_bw --size=65536 --iters=200
perftest_case 2097152 ib_send_bw --size=1048576 --iters=10
perftest_killed
perftest_counterproof
all_back
result $? "at the end: everything is back"
rmmod spanalloc
result $? "the module is unloaded"
echo "1..$number"
echo "guest-apps: $failed failed"
[ "$failed" -eq 0 ]
