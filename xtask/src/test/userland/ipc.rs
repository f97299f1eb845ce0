//! What processes talk through that is neither a file nor a socket.

use super::Case;
use super::debian::run_counted;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("c7_queues_and_shared_memory", queues_and_shared_memory),
        Case::new("c7_ipcs_ipcmk_ipcrm", ipcs_ipcmk_ipcrm),
    ]
}

fn queues_and_shared_memory(lab: &Lab) -> Result<()> {
    let expected = "message types\nmessage limits\nmessage permissions\nmessage waits\n\
        memory attached\nmemory removed\nmemory refused\n\
        queue priorities\nqueue names\nqueue waits\nqueue notification\nqueue files\n";
    lab.guest().cpus(2).with(Program::Queues)?.run(&["queues"])?.prints(expected)
}

fn ipcs_ipcmk_ipcrm(lab: &Lab) -> Result<()> {
    let script = "\
        m=$(ipcmk -M 10000 | awk '{ print $NF }'); s=$(ipcmk -S 3 | awk '{ print $NF }'); q=$(ipcmk -Q | awk '{ print $NF }')
        ipcs | awk '/^0x/ { print NF, $4, $5, $6 }'; ipcs -q -i $q | grep -o 'cbytes=.*'; ipcs -m -i $m | grep -o 'bytes=.*' | sed 's/cpid=[0-9]*.//'
        ipcs -l | grep -v '^$'; ipcs -u | grep -v '^$'; wc -l < /proc/sysvipc/msg
        ipcrm -q $q -m $m -s $s; ipcs | grep -c ^0x; ipcrm -q $q 2>&1 | cut -d '(' -f 1 | sed 's/ $//'; cat /proc/sys/kernel/sem
        ipcmk -Q > /dev/null; ipcrm -a; ipcs -q | grep -c ^0x; lsipc -Q --noheadings | wc -l; cat /proc/sys/fs/mqueue/*";
    let outcome = run_counted(lab.guest().packages(&["util-linux"]), script)?;
    let expected = "\
        6 644 0 0\n6 644 10000 0\n5 644 3 \ncbytes=0\tqbytes=16384\tqnum=0\tlspid=0\tlrpid=0\nbytes=10000\tlpid=0\tnattch=0\n\
        ------ Messages Limits --------\nmax queues system wide = 32000\nmax size of message (bytes) = 8192\n\
        default max size of queue (bytes) = 16384\n\
        ------ Shared Memory Limits --------\nmax number of segments = 4096\nmax seg size (kbytes) = 18014398509465599\n\
        max total shared memory (kbytes) = 18446744073709551612\nmin seg size (bytes) = 1\n\
        ------ Semaphore Limits --------\nmax number of arrays = 32000\nmax semaphores per array = 32000\n\
        max semaphores system wide = 1024000000\nmax ops per semop call = 500\nsemaphore max value = 32767\n\
        ------ Messages Status --------\nallocated queues = 1\nused headers = 0\nused space = 0 bytes\n\
        ------ Shared Memory Status --------\nsegments allocated 1\npages allocated 3\npages resident  0\npages swapped   0\n\
        Swap performance: 0 attempts\t 0 successes\n\
        ------ Semaphore Status --------\nused arrays = 1\nallocated semaphores = 3\n\
        2\n0\nipcrm: invalid id\n32000\t1024000000\t500\t32000\n0\n0\n10\n10\n8192\n8192\n256\nnothing left\n";
    outcome.prints(expected)
}
