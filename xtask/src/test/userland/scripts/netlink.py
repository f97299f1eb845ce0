"""Sockets of AF_NETLINK: process events, families by name, what tasks have used."""
import ctypes, errno, os, select, signal, socket, struct, time

CONNECTOR, GENERIC, SOL_NETLINK, ADD_MEMBERSHIP = 11, 16, 270, 1
RAW = socket.SOCK_RAW

def fails(number, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == number, (error, function)
    else:
        raise AssertionError((number, function, arguments))

def nl(protocol, port=0, groups=0):
    one = socket.socket(socket.AF_NETLINK, RAW, protocol)
    one.bind((port, groups))
    return one

fails(errno.EPROTONOSUPPORT, socket.socket, socket.AF_NETLINK, RAW, 31)
fails(errno.ESOCKTNOSUPPORT, socket.socket, socket.AF_NETLINK, socket.SOCK_STREAM, GENERIC)
generic, other = nl(GENERIC), nl(GENERIC)
assert generic.getsockname() == (os.getpid(), 0)
assert other.getsockname()[0] >= 0xf0000000
fails(errno.EADDRINUSE, socket.socket(socket.AF_NETLINK, RAW, GENERIC).bind, (os.getpid(), 0))
fails(errno.EINVAL, generic.bind, (os.getpid() + 1, 0))
fails(errno.EOPNOTSUPP, generic.listen, 1)
fails(errno.EOPNOTSUPP, socket.socketpair, socket.AF_NETLINK, RAW, GENERIC)
fails(errno.ENODATA, generic.send, b'')
fails(errno.ECONNREFUSED, generic.sendto, b'1', (77777, 0))
fails(errno.EAGAIN, generic.recv, 1, socket.MSG_DONTWAIT)

# What sockets of all families can be told and asked.
SOCKET = socket.SOL_SOCKET
for option in socket.SO_REUSEADDR, socket.SO_KEEPALIVE, socket.SO_RCVLOWAT, socket.SO_PASSCRED:
    generic.setsockopt(SOCKET, option, 1)
generic.setsockopt(SOCKET, socket.SO_PASSCRED, 0)
answered = [(socket.SO_TYPE, RAW), (socket.SO_ACCEPTCONN, 0), (38, GENERIC), (39, socket.AF_NETLINK), (socket.SO_RCVLOWAT, 1)]
for option, value in answered:
    assert generic.getsockopt(SOCKET, option) == value, option
assert struct.unpack('iii', generic.getsockopt(SOCKET, socket.SO_PEERCRED, 12)) == (0, -1, -1)
fails(errno.ENOPROTOOPT, generic.setsockopt, SOCKET, socket.SO_TYPE, 1)
fails(errno.ENOPROTOOPT, generic.setsockopt, SOL_NETLINK, 99, 1)
fails(errno.ENOPROTOOPT, generic.getsockopt, 99, 1)
fails(errno.EINVAL, generic.setsockopt, SOL_NETLINK, ADD_MEMBERSHIP, b'1')

def attribute(kind, data):
    return struct.pack('HH', 4 + len(data), kind) + data + b'\0' * (-len(data) % 4)

def attributes(data):
    found = {}
    while data:
        length, kind = struct.unpack_from('HH', data)
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found

def command(kind, number, data=b'', flags=1, sequence=5):
    return struct.pack('IHHIIBBH', 20 + len(data), kind, flags, sequence, 0, number, 1, 0) + data

def ask(*what, **how):
    generic.send(command(*what, **how))
    return answers(generic.recv(4096))

def answers(data):
    found = []
    while data:
        length, kind, flags, sequence, port = struct.unpack_from('IHHII', data)
        assert (sequence, port) == (5, os.getpid()) and length >= 16
        found.append((kind, data[16:length]))
        data = data[(length + 3) & ~3:]
    return found

def refused(*what, **how):
    [(kind, body)] = ask(*what, **how)
    assert kind == 2
    return -struct.unpack_from('i', body)[0]

# The controller.
[(kind, body)] = ask(16, 3, attribute(2, b'TASKSTATS\0'))
family = attributes(body[4:])
assert kind == 16 and body[0] == 1 and list(family)[:2] == [2, 1] and family[2] == b'TASKSTATS\0'
[number] = struct.unpack('H', family[1])
assert ask(16, 3, attribute(1, family[1])) == [(kind, body)]
listed = ask(16, 3, flags=0x301)
assert [attributes(one[4:])[2] for _, one in listed] == [b'nlctrl\0', b'TASKSTATS\0']
assert answers(generic.recv(4096)) == [(3, b'\0' * 4)]
assert refused(16, 3, attribute(2, b'nothing\0')) == errno.ENOENT
assert refused(16, 3) == errno.EINVAL and refused(16, 77) == errno.EOPNOTSUPP
assert refused(99, 1) == errno.ENOENT

# An answer to what was done, and to what is no request, only if it is wanted.
generic.send(command(16, 3, attribute(1, struct.pack('H', 16)), flags=5) + command(16, 3, flags=4) + command(16, 3, flags=0))
assert answers(generic.recv(4096))[0][0] == 16
for _ in range(2):
    [(kind, body)] = answers(generic.recv(4096))
    assert kind == 2 and body[:4] == b'\0' * 4 and len(body) == 20
fails(errno.EAGAIN, generic.recv, 1, socket.MSG_DONTWAIT)

# Looking, and cutting.
generic.send(command(16, 3, attribute(1, struct.pack('H', 16))))
whole = generic.recv(4096, socket.MSG_PEEK)
assert len(generic.recv(10, socket.MSG_PEEK)) == 10
part, _, flags, sender = generic.recvmsg(10)
assert part == whole[:10] and flags & socket.MSG_TRUNC and sender == (0, 0)

# Statistics.
def used(kind, pid):
    [(family, body)] = ask(number, 1, attribute(kind, struct.pack('I', pid)))
    assert family == number, struct.unpack_from('i', body)
    [(nest, data)] = attributes(body[4:]).items()
    found = attributes(data)
    assert nest == kind + 3 and found[kind] == struct.pack('I', pid)
    return found[3]
before = time.time()
mine = used(1, os.getpid())
after = time.time()
assert len(mine) == 416 and mine[:2] == b'\x0d\0' and mine[80:87] == b'python3'
assert struct.unpack_from('IIII', mine, 120) == (0, 0, os.getpid(), os.getppid())
began, elapsed = struct.unpack_from('I', mine, 136)[0], struct.unpack_from('Q', mine, 144)[0]
# Whole seconds on one side.
assert before - 2 < began + elapsed / 1e6 < after + 2
assert struct.unpack_from('Q', mine, 152)[0] > 0 and struct.unpack_from('I', mine, 368)[0] == os.getpid()
time.sleep(0.01)
assert struct.unpack_from('Q', used(2, os.getpid()), 272) > struct.unpack_from('Q', mine, 272)
assert refused(number, 1, attribute(1, struct.pack('I', 99999))) == errno.ESRCH
assert refused(number, 1, attribute(3, b'0\0')) == refused(number, 1) == errno.EINVAL
assert refused(number, 1, flags=0x301) == errno.EOPNOTSUPP

# Process events.
listener, silent = nl(CONNECTOR, groups=1), nl(CONNECTOR)
def operate(one, operation):
    one.send(struct.pack('IHHIIIIIIHHI', 40, 3, 0, 0, 0, 1, 1, 7, 8, 4, 0, operation))
def event():
    data, sender = listener.recvfrom(4096)
    assert len(data) == 76 and sender == (0, 1)
    index, value, sequence, acknowledged, length, _ = struct.unpack_from('IIIIHH', data, 16)
    assert (index, value, length) == (1, 1, 40)
    what, cpu, now = struct.unpack_from('IIQ', data, 36)
    return what, struct.unpack_from('6I', data, 52), (cpu, sequence, acknowledged)
# What is told of others may come between.
def of_kind(what):
    while True:
        one = event()
        if one[0] == what:
            return one
operate(listener, 2)
fails(errno.EAGAIN, listener.recv, 1, socket.MSG_DONTWAIT)
operate(listener, 1)
assert of_kind(0) == (0, (0,) * 6, (0xffffffff, 7, 9))
operate(listener, 3)
assert of_kind(0)[:2] == (0, (errno.EINVAL, 0, 0, 0, 0, 0))
child = os.fork()
if child == 0:
    os.setsid()
    with open('/proc/self/comm', 'w') as comm:
        comm.write('renamed')
    os.setgid(5)
    os.setuid(6)
    os.execv('/bin/sh', ['sh', '-c', 'exit 3'])
os.waitpid(child, 0)
seen = []
while not seen or seen[-1][0] != 0x80000000:
    what, words, (cpu, _, _) = event()
    assert cpu < os.cpu_count(), hex(cpu)
    if child in words[:4]:
        seen.append((what, words))
me = os.getpid()
assert seen[0] == (1, (me, me, child, child, 0, 0))
assert seen[1] == (0x80, (child, child, 0, 0, 0, 0))
assert seen[2] == (0x200, struct.unpack('6I', struct.pack('II16s', child, child, b'renamed')))
assert seen[3] == (0x40, (child, child, 5, 5, 0, 0))
assert seen[4] == (4, (child, child, 6, 6, 0, 0))
assert seen[5] == (2, (child, child, 0, 0, 0, 0))
assert seen[6] == (0x80000000, (child, child, 0x300, 17, me, me)) and len(seen) == 7, seen
fails(errno.EAGAIN, silent.recv, 1, socket.MSG_DONTWAIT)

# Tracing: who attaches or seizes is told of, and who detaches; who asks to be traced is not.
libc = ctypes.CDLL(None, use_errno=True)
def ptrace(request, pid):
    return libc.ptrace(request, pid, ctypes.c_void_p(0), ctypes.c_void_p(0))
def traced(pid):
    while True:
        what, words, _ = event()
        if what == 0x100 and words[0] == pid:
            return words
def stops(pid):
    assert os.WIFSTOPPED(os.waitpid(pid, 0)[1])
child = os.fork()
if child == 0:
    ptrace(0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        signal.pause()
stops(child)
assert ptrace(17, child) == 0
assert traced(child) == (child, child, 0, 0, 0, 0)
assert ptrace(16, child) == 0
assert traced(child) == (child, child, me, me, 0, 0)
stops(child)
assert ptrace(17, child) == 0
assert traced(child) == (child, child, 0, 0, 0, 0)
assert ptrace(0x4206, child) == 0
assert traced(child) == (child, child, me, me, 0, 0)
assert ptrace(16, child) == -1 and ctypes.get_errno() == errno.EPERM
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
while select.select([listener], [], [], 0)[0]:
    assert event()[0] != 0x100, 'a refusal and an end are no events of tracing'

# A signal while nothing comes: the call is begun again if its handler says so and there is no limit in time.
# It comes again and again: the first may be there before the call is.
handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append(1))
def ringing(call):
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    result = call()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return result
def interrupted(begun_again):
    signal.siginterrupt(signal.SIGALRM, not begun_again)
    handled.clear()
    length = ringing(lambda: libc.recv(generic.fileno(), ctypes.create_string_buffer(4096), 4096, 0))
    assert handled
    return ctypes.get_errno() if length < 0 else length
# Sends after a while, or after the third signal.
def later(asking, signals=None):
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        if signals is None:
            time.sleep(0.1)
        else:
            for _ in range(3):
                os.read(signals, 1)
        generic.send(asking)
        os._exit(0)
    return child
asking = command(16, 3, attribute(1, struct.pack('H', 16)))
assert interrupted(False) == errno.EINTR
signals, told = os.pipe()
os.set_blocking(told, False)
child = later(asking, signals)
signal.set_wakeup_fd(told)
assert interrupted(True) == len(whole)
signal.set_wakeup_fd(-1)
os.close(told)
os.close(signals)
os.waitpid(child, 0)
generic.setsockopt(socket.SOL_SOCKET, 20, struct.pack('qq', 5, 0))
assert interrupted(True) == errno.EINTR
generic.setsockopt(socket.SOL_SOCKET, 20, struct.pack('qq', 0, 0))

# Who waits by poll or epoll is woken by what comes; by the edge only by what is new.
epoll, edges, poll = select.epoll(), select.epoll(), select.poll()
epoll.register(generic, select.EPOLLIN)
edges.register(generic, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
poll.register(generic, select.POLLIN)
assert epoll.poll(0) == [] and poll.poll(0) == []
assert edges.poll(0) == [(generic.fileno(), select.EPOLLOUT)] and edges.poll(0) == []
for waits in (lambda: epoll.poll(1000), lambda: poll.poll(1000000)):
    child = later(asking)
    assert waits() == [(generic.fileno(), select.POLLIN)]
    os.waitpid(child, 0)
    assert edges.poll(0) == [(generic.fileno(), select.EPOLLIN | select.EPOLLOUT)]
    assert edges.poll(0) == [] and waits() == [(generic.fileno(), select.POLLIN)]
    assert generic.recv(4096)[:16] == whole[:16]
assert epoll.poll(0) == [] and poll.poll(0) == []
signal.siginterrupt(signal.SIGALRM, False)
class Pollfd(ctypes.Structure):
    _fields_ = [('fd', ctypes.c_int), ('events', ctypes.c_short), ('found', ctypes.c_short)]
def poll_without_end():
    return libc.poll(ctypes.byref(Pollfd(generic.fileno(), 1, 0)), 1, -1), ctypes.get_errno()
assert ringing(poll_without_end) == (-1, errno.EINTR)
epoll.close()
edges.close()

# What does not fit is lost, which is told once; what came before is there.
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
for _ in range(20):
    operate(listener, 1)
assert select.select([listener], [], [], 0)[0]
poll = select.poll()
poll.register(listener, select.POLLIN)
assert poll.poll(0)[0][1] == select.POLLIN | select.POLLERR
fails(errno.ENOBUFS, listener.recv, 4096)
count = 0
while select.select([listener], [], [], 0)[0]:
    event()
    count += 1
assert 5 < count < 20, count

# A limit in time.
silent.setsockopt(socket.SOL_SOCKET, 20, struct.pack('qq', 0, 20000))
fails(errno.EAGAIN, silent.recv, 1)

# Without the privilege.
child = os.fork()
if child == 0:
    os.setuid(1000)
    fails(errno.EPERM, nl, CONNECTOR, 0, 1)
    fails(errno.EPERM, nl(CONNECTOR).setsockopt, SOL_NETLINK, ADD_MEMBERSHIP, 1)
    nl(GENERIC, 0, 1).close()
    generic = nl(GENERIC)
    fails(errno.EPERM, generic.connect, (me, 0))
    assert refused(number, 1, attribute(1, struct.pack('I', os.getpid()))) == errno.EPERM
    assert ask(16, 3, attribute(1, struct.pack('H', 16)))[0][0] == 16
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print('netlink')
