# hostile SECONDS: trinity as an ordinary user, again and again, for so long. It prints how many calls were made, so far
# as trinity says so: it may end early, over a lock of its own or because it got no memory.

now() { cut -d . -f 1 /proc/uptime; }

hostile() {
    mkdir -p /tmp/w; chown user /tmp/w
    end=$(($(now) + $1)); calls=0; seed=$(date +%s)
    while left=$((end - $(now))); [ $left -gt 0 ]; do
        [ $left -le 20 ] || left=20
        busybox su user -c "cd /tmp/w; timeout -s INT -k 10 $left trinity -q -l off --disable-fds=sockets \
            -C 8 -s $seed > /tmp/w/said 2>&1" 2> /dev/null
        made=$(sed -n 's/.*Ran \([0-9]*\) syscalls.*/\1/p' /tmp/w/said | tail -n 1)
        calls=$((calls + ${made:-0})); seed=$((seed + 1))
        clean_up
    done
    echo $calls
}

# Ends what is left of the user's processes, and the watch that `timeout` keeps over a command for a while longer.
clean_up() {
    for process in /proc/[0-9]*; do
        [ "$(stat -c %u $process 2> /dev/null)" != 1000 ] || kill -9 ${process#/proc/}
    done
    killall -q timeout; sleep 1; ipcrm -a; rm -rf /tmp/w/* /dev/shm/*
}

# Processes with memory of their own, open files and free memory in KiB: the kernel's workers come and go.
count() {
    grep -l . /proc/[0-9]*/cmdline > /tmp/processes 2> /dev/null
    echo $(wc -l < /tmp/processes) $(cut -f 1 /proc/sys/fs/file-nr) $(awk '/^MemFree/ { print $2 }' /proc/meminfo)
}
