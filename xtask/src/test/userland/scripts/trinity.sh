# hostile SECONDS: trinity as an ordinary user, again and again, for so long. It prints how many calls were made, or
# what trinity said last if it says nothing of that. trinity may end early, over a lock of its own.

now() { cut -d . -f 1 /proc/uptime; }

hostile() {
    mkdir -p /tmp/w; chown user /tmp/w
    end=$(($(now) + $1)); calls=0; seed=$(date +%s)
    while left=$((end - $(now))); [ $left -gt 0 ]; do
        su user -c "cd /tmp/w; timeout -s INT -k 10 $left trinity -q -l off --disable-fds=sockets \
            -C 8 -s $seed > /tmp/w/said 2>&1"
        made=$(sed -n 's/.*Ran \([0-9]*\) syscalls.*/\1/p' /tmp/w/said | tail -n 1)
        [ -n "$made" ] || { tail /tmp/w/said; return; }
        calls=$((calls + made)); seed=$((seed + 1))
    done
    echo $calls
    # The watch that `timeout` keeps over its command sleeps on for a while.
    killall -q timeout; sleep 1; rm -rf /tmp/w /dev/shm/*
}

# Processes, open files and free memory in KiB.
count() {
    echo $(ls -d /proc/[0-9]* | wc -l) $(cut -f 1 /proc/sys/fs/file-nr) $(awk '/^MemFree/ { print $2 }' /proc/meminfo)
}
