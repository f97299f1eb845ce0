"""System calls that the C library has no function for, or checks before it asks the kernel."""
import ctypes, errno, os, pty, signal, struct, threading, time

libc = ctypes.CDLL(None, use_errno=True)
SPLICE, TEE, VHANGUP, FUTEX, FUTEX_WAITV = 275, 276, 153, 202, 449

def call(number, *arguments):
    words = [a if isinstance(a, ctypes.Array) else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    return result if result >= 0 else -ctypes.get_errno()

# Nothing to move: splice looks at nothing else, tee at its flags.
assert call(SPLICE, 77, 0, 78, 0, 0, -1) == 0
assert call(TEE, 77, 78, 0, 0) == 0
assert call(TEE, 77, 78, 0, 0x100) == -errno.EINVAL
assert call(SPLICE, 77, 0, 78, 0, 1, 0) == -errno.EBADF

words = (ctypes.c_uint32 * 4)(10, 11, 12, 13)
place = ctypes.addressof(words)
def entries(*several):
    packed = b''.join(struct.pack('QQII', *one) for one in several)
    return (ctypes.c_char * len(packed)).from_buffer_copy(packed)
def waitv(which, count=None, flags=0, timeout=None, clock=1):
    seconds, nanoseconds = divmod(timeout or 0, 10**9)
    until = (ctypes.c_long * 2)(seconds, nanoseconds) if timeout is not None else 0
    return call(FUTEX_WAITV, which, len(which) // 24 if count is None else count, flags, until, clock)
good = entries((10, place, 2, 0), (11, place + 4, 2 | 128, 0), (12, place + 8, 2, 0))
later = lambda: time.monotonic_ns() + 20_000_000
assert waitv(good, flags=1) == -errno.EINVAL
assert waitv(good, count=0) == waitv(good, count=129) == call(FUTEX_WAITV, 0, 1, 0, 0, 0) == -errno.EINVAL
assert call(FUTEX_WAITV, 8, 1, 0, 0, 0) == -errno.EFAULT
assert waitv(good, timeout=later(), clock=2) == -errno.EINVAL
for wrong in (10, place, 0, 0), (10, place, 3, 0), (10, place, 2 | 4, 0), (10, place, 2, 1), (10, place + 1, 2, 0):
    assert waitv(entries(wrong)) == -errno.EINVAL
assert waitv(entries((0, 4096, 2, 0))) == -errno.EFAULT
assert waitv(entries((10, place, 2, 0), (0, place + 4, 2, 0))) == -errno.EAGAIN
assert waitv(good, timeout=later()) == waitv(good, timeout=0) == -errno.ETIMEDOUT
assert waitv(good, timeout=time.time_ns() + 20_000_000, clock=0) == -errno.ETIMEDOUT
# Each of them wakes, and nobody is left in a queue.
for which, private in (0, 0), (1, 128), (2, 0):
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(waitv(good)))
    waiter.start()
    while call(FUTEX, place + 4 * which, 1 | private, 1) == 0:
        time.sleep(0.001)
    waiter.join()
    assert answers == [which], answers
    for other in range(3):
        assert call(FUTEX, place + 4 * other, 1, 9) == call(FUTEX, place + 4 * other, 1 | 128, 9) == 0
# After a signal the call fails, or is begun again up to the same time.
# The signal comes again and again: the first may be there before the call is.
rang = []
signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
signal.siginterrupt(signal.SIGALRM, True)
assert waitv(good, timeout=time.monotonic_ns() + 10**12) == -errno.EINTR
signal.siginterrupt(signal.SIGALRM, False)
count = len(rang)
while len(rang) < count + 2:
    assert waitv(good, timeout=later()) == -errno.ETIMEDOUT
signal.setitimer(signal.ITIMER_REAL, 0)

# A hang-up takes the terminal away from those who have it, and is an administrator's to do.
pid, master = pty.fork()
if pid == 0:
    signal.signal(signal.SIGHUP, lambda *_: rang.append(False))
    assert call(VHANGUP) == 0
    ends = os.read(0, 1) == b'' and rang[-1] is False
    try:
        os.open('/dev/tty', os.O_RDWR)
    except OSError as error:
        os._exit(0 if ends and error.errno == errno.ENXIO else 1)
    os._exit(2)
assert os.waitpid(pid, 0)[1] == 0
os.close(master)
pid = os.fork()
if pid == 0:
    os.setuid(1000)
    os._exit(-call(VHANGUP))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EPERM
print('calls')
