//! What machine QEMU is to be, and the command line that says so.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

/// The kinds of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Board {
    /// Few devices, no PCI, up in no time.
    Microvm,
    /// A PC.
    Q35,
}

/// Bytes of memory, in whole MiB, as in `256M` or `1G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    mebibytes: u64,
}

impl Memory {
    /// So many MiB.
    pub(crate) const fn mebibytes(mebibytes: u64) -> Self {
        Self { mebibytes }
    }

    /// The number of MiB.
    pub(crate) fn in_mebibytes(self) -> u64 {
        self.mebibytes
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = match text.as_bytes().last() {
            Some(b'G' | b'g') => (&text[..text.len() - 1], 1024),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 1),
            _ => (text, 1),
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|&number| number > 0)
            .map(Self::mebibytes)
            .ok_or_else(|| "expected a size in MiB or GiB such as 256M or 1G".to_owned())
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}M", self.mebibytes)
    }
}

/// The machine and what it boots.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The kind of machine.
    pub board: Board,
    /// How many CPUs.
    pub cpus: u32,
    /// How much memory.
    pub memory: Memory,
    /// Over how many NUMA nodes CPUs and memory are spread.
    pub nodes: u32,
    /// Let the host's processor run the guest.
    pub kvm: bool,
    /// One nanosecond of guest time per instruction, the same in every run.
    pub icount: bool,
    /// The kernel's command line.
    pub append: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            board: Board::Microvm,
            cpus: 2,
            memory: Memory::mebibytes(256),
            nodes: 1,
            kvm: false,
            icount: false,
            append: String::new(),
        }
    }
}

/// How many CPUs the kernel can use.
const CPUS_MAX: u32 = 32;

impl Options {
    /// Refuses what QEMU would refuse in other words, or not at all.
    pub(crate) fn check(&self) -> Result<()> {
        if !(1..=CPUS_MAX).contains(&self.cpus) {
            bail!("--cpus {}: from 1 to {CPUS_MAX}", self.cpus);
        }
        if self.icount && self.kvm {
            bail!("--icount counts emulated instructions; it does not go with --kvm");
        }
        if self.nodes > self.cpus || self.nodes == 0 {
            bail!("--nodes {}: each node needs a CPU", self.nodes);
        }
        if self.nodes > 1 && self.board == Board::Microvm {
            bail!("--nodes {}: only --machine q35 has nodes", self.nodes);
        }
        if u64::from(self.nodes) > self.memory.in_mebibytes() {
            bail!("--nodes {}: each node needs memory", self.nodes);
        }
        Ok(())
    }

    /// QEMU's command line. `sockets` has `console` and `log`, where this process listens.
    pub(crate) fn command(&self, qemu: &Path, boot: &Boot, sockets: &Path) -> Command {
        let mut command = Command::new(qemu);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-display", "none", "-monitor", "none"]);
        command.args(match self.board {
            Board::Microvm => ["-machine", "microvm"],
            Board::Q35 => ["-machine", "q35"],
        });
        command.args(match self.kvm {
            true => ["-accel", "kvm", "-cpu", "host"],
            false => ["-accel", "tcg", "-cpu", "max"],
        });
        if self.icount {
            command.args(["-icount", "shift=0"]);
        }
        command.args(["-smp", &self.cpus.to_string()]);
        command.args(["-m", &self.memory.to_string()]);
        self.add_nodes(&mut command);
        for channel in ["console", "log"] {
            let path = sockets.join(channel);
            command.arg("-chardev");
            command.arg(format!("socket,id={channel},path={}", path.display()));
        }
        command.args(["-serial", "chardev:console"]);
        command.args(["-device", "isa-debugcon,iobase=0xe9,chardev=log"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        command.arg("-kernel").arg(&boot.image);
        command.arg("-initrd").arg(&boot.initramfs);
        command.arg("-append").arg(&self.append);
        command
    }

    /// Deals CPUs and memory out to the nodes, the remainder to the last.
    fn add_nodes(&self, command: &mut Command) {
        if self.nodes == 1 {
            return;
        }
        let nodes = u64::from(self.nodes);
        for node in 0..nodes {
            let share = |total: u64| (total * node / nodes, total * (node + 1) / nodes);
            let (first_cpu, end_cpu) = share(self.cpus.into());
            let (start, end) = share(self.memory.in_mebibytes());
            let size = end - start;
            command.arg("-object");
            command.arg(format!("memory-backend-ram,id=node{node},size={size}M"));
            command.arg("-numa");
            command.arg(format!(
                "node,nodeid={node},cpus={first_cpu}-{},memdev=node{node}",
                end_cpu - 1
            ));
        }
    }
}

/// What a machine boots.
#[derive(Clone, Debug)]
pub(crate) struct Boot {
    /// The kernel.
    pub image: PathBuf,
    /// The initial file system.
    pub initramfs: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units() {
        assert_eq!("256M".parse(), Ok(Memory::mebibytes(256)));
        assert_eq!("2G".parse(), Ok(Memory::mebibytes(2048)));
        assert_eq!("64".parse(), Ok(Memory::mebibytes(64)));
        for wrong in ["", "M", "0", "-1M", "1T", "99999999999999999999G"] {
            assert!(wrong.parse::<Memory>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nodes_share_everything_out() {
        let options = Options {
            board: Board::Q35,
            cpus: 3,
            nodes: 2,
            memory: Memory::mebibytes(255),
            ..Options::default()
        };
        let mut command = Command::new("qemu");
        options.add_nodes(&mut command);
        let arguments: Vec<_> = command.get_args().map(|a| a.to_str().unwrap()).collect();
        assert_eq!(
            arguments,
            [
                "-object",
                "memory-backend-ram,id=node0,size=127M",
                "-numa",
                "node,nodeid=0,cpus=0-0,memdev=node0",
                "-object",
                "memory-backend-ram,id=node1,size=128M",
                "-numa",
                "node,nodeid=1,cpus=1-2,memdev=node1",
            ]
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            Options { cpus: 0, ..Options::default() },
            Options { cpus: 33, ..Options::default() },
            Options { kvm: true, icount: true, ..Options::default() },
            Options { nodes: 2, ..Options::default() },
            Options { nodes: 0, ..Options::default() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
        assert!(Options::default().check().is_ok());
    }
}
