"""Threads, child processes, tasks and shared memory, as Python's library makes them."""
import asyncio, concurrent.futures, mmap, multiprocessing, os, pty, signal, subprocess, tempfile, time

def square(x):
    return x * x

def work(queue, lock, value):
    with lock:
        value.value += 1
    queue.put(os.getpid())

async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()

async def tasks():
    child = await asyncio.create_subprocess_exec('sh', '-c', 'echo sub; exit 3', stdout=subprocess.PIPE)
    assert (await child.communicate())[0] == b'sub\n' and child.returncode == 3
    assert await asyncio.gather(*[asyncio.sleep(0.01 * i, i) for i in range(5)]) == [0, 1, 2, 3, 4]
    server = await asyncio.start_unix_server(echo, '/tmp/echo')
    reader, writer = await asyncio.open_unix_connection('/tmp/echo')
    writer.write(b'ping\n')
    assert await reader.readline() == b'ping\n'
    writer.close()
    server.close()

asyncio.run(tasks())
context = multiprocessing.get_context('fork')
with context.Pool(2) as pool:
    assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
queue, lock, value = context.Queue(), context.Lock(), context.Value('i', 0)
workers = [context.Process(target=work, args=(queue, lock, value)) for _ in range(3)]
for worker in workers:
    worker.start()
for worker in workers:
    queue.get()
for worker in workers:
    worker.join()
assert value.value == 3
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(square, range(100))) == 328350
assert subprocess.check_output('echo $((6*7))', shell=True) == b'42\n'
with tempfile.TemporaryFile() as file:
    file.write(b'0' * 8192)
    file.flush()
    memory = mmap.mmap(file.fileno(), 8192)
    memory[0:3] = b'abc'
    file.seek(0)
    assert file.read(4) == b'abc0'
rang = []
signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
signal.setitimer(signal.ITIMER_REAL, 0.05)
while not rang:
    time.sleep(0.1)
pid, master = pty.fork()
if pid == 0:
    os.execlp('sh', 'sh', '-c', 'tty')
shown = b''
try:
    while data := os.read(master, 100):
        shown += data
except OSError:
    pass
assert shown.startswith(b'/dev/pts/') and os.waitpid(pid, 0)[1] == 0
print('processes')
