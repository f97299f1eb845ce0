//! `/proc/sysvipc`: System V's objects, a line each.

use alloc::sync::Arc;
use core::fmt::Write;

use errno::Result;
use ipc::permissions::Permissions;
use ipc::{message, semaphore, shared_memory};
use kernfs::{Attribute, Directory, Text};
use process::{Pid, PidNamespace, current_pid_namespace};

/// Adds them.
pub(super) fn register(files: &Arc<Directory>) -> Result<()> {
    let directory = files.subdirectory("sysvipc")?;
    directory.add_file("msg", Attribute::shown(queues))?;
    directory.add_file("sem", Attribute::shown(sets))?;
    directory.add_file("shm", Attribute::shown(segments))
}

fn seconds(date: u64) -> u64 {
    date / time::SECOND
}

fn number(pid: Option<&Arc<Pid>>, namespace: &PidNamespace) -> u32 {
    pid.map_or(0, |pid| pid.number_in(namespace))
}

fn write_owners(text: &mut Text, permissions: &Permissions) -> Result<()> {
    let Permissions { uid, gid, creator_uid, creator_gid, .. } = permissions;
    Ok(write!(text, " {uid:>5} {gid:>5} {creator_uid:>5} {creator_gid:>5}")?)
}

fn queues(text: &mut Text) -> Result<()> {
    text.push(
        b"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      \
        stime      rtime      ctime\n",
    )?;
    let namespace = current_pid_namespace();
    for queue in message::all() {
        let status = queue.status();
        write!(
            text,
            "{:>10} {:>10}  {:>4o}  {:>10} {:>10} {:>5} {:>5}",
            queue.key(),
            queue.number(),
            status.permissions.mode,
            status.bytes,
            status.messages,
            number(status.sent.1.as_ref(), &namespace),
            number(status.received.1.as_ref(), &namespace),
        )?;
        write_owners(text, &status.permissions)?;
        let [sent, received] = [status.sent.0, status.received.0].map(seconds);
        writeln!(text, " {sent:>10} {received:>10} {:>10}", seconds(status.changed))?;
    }
    Ok(())
}

fn sets(text: &mut Text) -> Result<()> {
    text.push(
        b"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
    )?;
    for set in semaphore::all() {
        let status = set.status();
        let mode = status.permissions.mode;
        write!(text, "{:>10} {:>10}  {mode:>4o} {:>10}", set.key(), set.number(), status.count)?;
        write_owners(text, &status.permissions)?;
        writeln!(text, " {:>10} {:>10}", seconds(status.operated), seconds(status.changed))?;
    }
    Ok(())
}

fn segments(text: &mut Text) -> Result<()> {
    text.push(
        b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      \
        atime      dtime      ctime                   rss                  swap\n",
    )?;
    let namespace = current_pid_namespace();
    for segment in shared_memory::all() {
        let status = segment.status();
        write!(
            text,
            "{:>10} {:>10}  {:>4o} {:>21} {:>5} {:>5}  {:>5}",
            segment.key(),
            segment.number(),
            status.mode(),
            segment.size(),
            number(Some(&status.creator), &namespace),
            number(status.last.as_ref(), &namespace),
            status.attached,
        )?;
        write_owners(text, &status.permissions)?;
        let dates = [status.attached_at, status.detached_at, status.changed].map(seconds);
        let resident = segment.resident() * memory::PAGE_SIZE as u64;
        let [attached, detached, changed] = dates;
        writeln!(text, " {attached:>10} {detached:>10} {changed:>10} {resident:>21} {:>21}", 0)?;
    }
    Ok(())
}
