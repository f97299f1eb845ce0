# What sched_setattr and its kin say of SCHED_DEADLINE. One line for each answer.
import ctypes, errno, os, signal, struct, time

DEADLINE, RESET, RECLAIM, OVERRUN, MS = 6, 1, 2, 4, 1000000
libc = ctypes.CDLL(None, use_errno=True)
FORMAT = "<IIQiIQQQII"


def answer(result):
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]


def ask(runtime, deadline, period=0, flags=0, size=56, policy=DEADLINE):
    given = struct.pack(FORMAT, size, policy, flags, 0, 0, runtime, deadline, period, 0, 0)
    buffer = ctypes.create_string_buffer(given, 128)
    said = answer(libc.syscall(314, 0, buffer, 0))
    return said, struct.unpack_from("<I", buffer)[0]


def told(size):
    buffer = ctypes.create_string_buffer(b"\xff" * 128, 128)
    said = answer(libc.syscall(315, 0, buffer, size, 0))
    return said, struct.unpack_from(FORMAT, buffer) if said == "ok" else None


def ordinary():
    return ask(0, 0, policy=0)[0]


def forked():
    try:
        pid = os.fork()
    except OSError as error:
        return errno.errorcode[error.errno]
    if pid == 0:
        os._exit(os.sched_getscheduler(0))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def write(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def soon(what):
    """What is answered when it is no longer EBUSY: bandwidth is there again when its rate has caught up."""
    end = time.monotonic() + 60
    while (said := what()) == "EBUSY" and time.monotonic() < end:
        time.sleep(0.05)
    return said


for wrong in [(1000, 10 * MS), (20 * MS, 10 * MS), (MS, 10 * MS, 5 * MS), (MS, 5000 * MS), (10000, 90000)]:
    print("wrong", ask(*wrong)[0])
print("flags", ask(MS, 10 * MS, flags=RECLAIM)[0], ask(MS, 10 * MS, flags=1 << 40)[0])
print("sizes", ask(MS, 10 * MS, size=40), ask(MS, 10 * MS, size=48), ask(MS, 10 * MS, size=64), ask(MS, 10 * MS, size=0)[0])
print("told", told(47)[0], told(48)[1][:8], told(56)[1], told(100)[1][0])
print("others", os.sched_getscheduler(0), os.sched_get_priority_max(6), os.sched_rr_get_interval(0))
parameter = ctypes.c_int(0)
print("setparam", answer(libc.syscall(142, 0, ctypes.byref(parameter))))
print("narrowed", answer(libc.syscall(203, 0, 8, struct.pack("<Q", 1))))
print("fork", forked(), ask(MS, 10 * MS, flags=RESET)[0], forked())
print("left", ordinary(), forked())
print("setscheduler", answer(libc.syscall(144, 0, 6, ctypes.byref(parameter))))

# More than there is, while a child holds a whole CPU of two.
ready, done = os.pipe(), os.pipe()
holder = os.fork()
if holder == 0:
    os.write(ready[1], soon(lambda: ask(100 * MS, 100 * MS)[0]).encode())
    os.read(done[0], 1)
    os._exit(0)
print("holder", os.read(ready[0], 9).decode())
print("too much", ask(95 * MS, 100 * MS)[0], soon(lambda: ask(85 * MS, 100 * MS)[0]), ordinary())
print("limit", write("/proc/sys/kernel/sched_rt_runtime_us", "400000"))
print("hotplug", write("/sys/devices/system/cpu/cpu1/online", "0"))
os.write(done[1], b".")
os.waitpid(holder, 0)
print("hotplug", soon(lambda: write("/sys/devices/system/cpu/cpu1/online", "0")), write("/sys/devices/system/cpu/cpu1/online", "1"))

# Bound to one CPU.
os.sched_setaffinity(0, {0})
print("bound", ask(MS, 10 * MS)[0])
os.sched_setaffinity(0, {0, 1})

# A signal for each period in which the runtime is used up.
signals = []
signal.signal(signal.SIGXCPU, lambda number, frame: signals.append(number))
print("overrun", ask(10 * MS, 100 * MS, flags=OVERRUN)[0], told(56)[1][2])
end = time.monotonic() + 60
while len(signals) < 3 and time.monotonic() < end:
    pass
print("signals", min(len(signals), 3))
print("without", ask(10 * MS, 100 * MS)[0])
count, end = len(signals), time.monotonic() + 0.3
while time.monotonic() < end:
    pass
print("signals", len(signals) - count)
os.setuid(1000)
print("user", ordinary(), ask(MS, 10 * MS)[0])
