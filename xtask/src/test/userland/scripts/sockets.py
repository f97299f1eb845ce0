"""Sockets of AF_UNIX, asked by a program that knows what Linux answers."""
import array, errno, os, select, socket, struct, threading

UNIX, STREAM, DGRAM, PACKET = socket.AF_UNIX, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET

def fails(number, call):
    try:
        call()
    except OSError as error:
        assert error.errno == number, (error, number)
    else:
        assert False, errno.errorcode[number]

def open_files():
    return int(open('/proc/sys/fs/file-nr').read().split()[0])

for kind in STREAM, DGRAM, PACKET:
    a, b = socket.socketpair(UNIX, kind)
    a.send(b'hello')
    assert b.recv(3) == b'hel'
    assert kind != STREAM or b.recv(9) == b'lo'
    b.setblocking(False)
    a.setblocking(False)
    fails(errno.EAGAIN, lambda: b.recv(1))
    sent = 0
    try:
        while True:
            sent += a.send(b'x' * 1000)
    except BlockingIOError:
        pass
    assert not select.select([], [a], [], 0)[1] and select.select([b], [], [], 0)[0]
    got = 0
    while got < sent:
        got += len(b.recv(5000))
    assert got == sent and select.select([], [a], [], 0)[1] and not select.select([b], [], [], 0)[0]
    a.close()
    if kind == DGRAM:
        fails(errno.ECONNREFUSED, lambda: b.send(b'x'))
    else:
        assert b.recv(1) == b''
        fails(errno.EPIPE, lambda: b.send(b'x'))
    b.close()

# Files and identities travel.
a, b = socket.socketpair()
r, w = os.pipe()
socket.send_fds(a, [b'take'], [w])
os.close(w)
text, files, _, _ = socket.recv_fds(b, 10, 4)
os.write(files[0], b'through')
os.close(files[0])
assert (text, os.read(r, 10), os.read(r, 1)) == (b'take', b'through', b'')
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
a.send(b'who')
_, [(_, what, who)], _, _ = b.recvmsg(10, 100)
me = (os.getpid(), 0, 0)
assert what == socket.SCM_CREDENTIALS and struct.unpack('iII', who) == me
assert struct.unpack('iII', a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)) == me

# Connections by path and by abstract name.
for name in '/tmp/name', '\0name':
    server = socket.socket(UNIX)
    server.bind(name)
    server.listen(2)
    fails(errno.EADDRINUSE, lambda: socket.socket(UNIX).bind(name))
    fails(errno.EPROTOTYPE, lambda: socket.socket(UNIX, DGRAM).connect(name))
    def client():
        c = socket.socket(UNIX)
        c.connect(name)
        c.sendall(b'z' * 1000000)
        c.shutdown(socket.SHUT_WR)
        assert c.recv(5) == b'bye'
    thread = threading.Thread(target=client)
    thread.start()
    c, _ = server.accept()
    total = 0
    while data := c.recv(65536):
        total += len(data)
    assert total == 1000000
    c.send(b'bye')
    thread.join()
    server.close()
    fails(errno.ECONNREFUSED, lambda: socket.socket(UNIX).connect(name))
os.unlink('/tmp/name')
fails(errno.ENOENT, lambda: socket.socket(UNIX).connect('/tmp/name'))
d = socket.socket(UNIX, DGRAM)
e = socket.socket(UNIX, DGRAM)
d.bind('/tmp/d')
e.bind('\0e')
e.sendto(b'one', '/tmp/d')
assert d.recvfrom(10) == (b'one', b'\0e')
d.sendto(b'', '\0e')
assert e.recvfrom(10) == (b'', '/tmp/d')

# Ends.
a, b = socket.socketpair()
poll = select.epoll()
poll.register(a, select.EPOLLIN | select.EPOLLRDHUP)
b.close()
assert poll.poll(0)[0][1] == select.EPOLLIN | select.EPOLLHUP | select.EPOLLRDHUP
a, b = socket.socketpair()
a.send(b'unread')
b.close()
fails(errno.ECONNRESET, lambda: a.recv(1))
assert a.recv(1) == b''
fails(errno.EAFNOSUPPORT, lambda: socket.socket(socket.AF_INET))

# Sockets that only hold each other go when the next one is closed.
socket.socket(UNIX).close()
before = open_files()
for _ in range(50):
    a, b = socket.socketpair()
    socket.send_fds(a, [b'x'], [b.fileno()])
    socket.send_fds(b, [b'x'], [a.fileno()])
    a.close()
    b.close()
socket.socket(UNIX).close()
assert open_files() <= before, (before, open_files())

# Looking, waiting for all, and for so long.
a, b = socket.socketpair()
a.send(b'abc')
assert b.recv(2, socket.MSG_PEEK) == b'ab' and b.recv(9) == b'abc'
threading.Timer(0.1, lambda: a.send(b'56')).start()
a.send(b'1234')
assert b.recv(6, socket.MSG_WAITALL) == b'123456'
b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 50000))
fails(errno.EAGAIN, lambda: b.recv(1))
print('sockets')
