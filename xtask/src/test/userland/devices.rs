//! Devices that come and go, and the software watchdog, as programs see them.

use super::Case;
use crate::build::programs::Program;
use crate::test::guest::lab::Lab;
use anyhow::Result;

/// Moves to the watchdog's directory.
const CLASS: &str = "cd /sys/class/watchdog/watchdog0";
/// Moves to where its driver is bound and unbound.
const DRIVER: &str = "cd /sys/bus/platform/drivers/softdog";

/// The tests.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("d3_busybox_keeps_it_alive", d3_busybox_keeps_it_alive),
        Case::new("d3_killed_the_guest_resets", d3_killed_the_guest_resets),
        Case::new("d3_commands", d3_commands),
        Case::new("d3_close", d3_close),
        Case::new("d3_no_way_out", d3_no_way_out),
        Case::new("d3_other_ends", d3_other_ends),
        Case::new("d3_warning", d3_warning),
        Case::new("d3_before_a_program", d3_before_a_program),
        Case::new("d3_what_is_shown", d3_what_is_shown),
        Case::new("d3_bad_parameter", d3_bad_parameter),
        Case::new("d4_nodes", d4_nodes),
        Case::new("d4_the_thread", d4_the_thread),
        Case::new("d4_nodes_come_and_go", d4_nodes_come_and_go),
        Case::new("d4_classes", d4_classes),
        Case::new("d4_messages", d4_messages),
    ]
}

/// By the guest's own count of instructions, so that a busy host does not reset it.
fn d3_busybox_keeps_it_alive(lab: &Lab) -> Result<()> {
    let script = format!(
        "watchdog -F -t 2 -T 6 /dev/watchdog & sleep 15; {CLASS}; cat state timeout
        kill $!; wait $! 2>&-; sleep 0.5; cat state; sleep 10; echo alive"
    );
    lab.guest().counting_instructions().sh(&script)?.prints("active\n6\ninactive\nalive\n")
}

fn d3_killed_the_guest_resets(lab: &Lab) -> Result<()> {
    let script = "watchdog -F -t 1 -T 5 /dev/watchdog & sleep 2; kill -9 $!; sleep 100; echo no";
    let outcome = lab.guest().counting_instructions().sh(script)?.off()?;
    let silent = outcome.output().is_empty();
    outcome
        .holds(silent, "the guest went on")?
        .logged("watchdog: watchdog0: watchdog did not stop!")?
        .logged("softdog: Initiating system reboot")?
        .logged("reboot: machine restart")
        .map(drop)
}

fn d3_commands(lab: &Lab) -> Result<()> {
    let expected = "support\nwhat there is\ntimes\noff and on\nerrors\nstopped\n";
    // One of the times that it sets is a second, which a busy host may let pass.
    let guest = lab.guest().append("softdog.soft_noboot=1").with(Program::Dogs)?;
    guest.run(&["dogs", "control"])?.prints(expected)
}

fn d3_close(lab: &Lab) -> Result<()> {
    let script = format!(
        "{CLASS}; printf V > /dev/watchdog; cat state; printf xVy > /dev/watchdog0; cat state
        (printf V; printf x) > /dev/watchdog; cat state; : > /dev/watchdog; cat state
        dmesg | grep -c 'watchdog: watchdog0: watchdog did not stop!'
        printf V > /dev/watchdog; cat state"
    );
    lab.guest().sh(&script)?.prints("inactive\ninactive\nactive\nactive\n2\ninactive\n")
}

fn d3_no_way_out(lab: &Lab) -> Result<()> {
    let script = format!(
        "{CLASS}; cat nowayout timeout; echo 0 2>&- > nowayout || echo stays
        printf V > /dev/watchdog; cat state; dmesg | grep -c 'nowayout prevents watchdog being stopped!'"
    );
    let guest = || lab.guest().append("softdog.nowayout=1 softdog.soft_margin=90");
    guest().sh(&script)?.prints("1\n90\nstays\nactive\n1\n")?;
    let script =
        format!("{CLASS}; echo 1 > nowayout; cat nowayout; echo 0 2>&- > nowayout; cat nowayout");
    lab.guest().sh(&script)?.prints("1\n1\n")
}

fn d3_other_ends(lab: &Lab) -> Result<()> {
    let script =
        ": > /dev/watchdog; for i in $(seq 300); do dmesg | grep -q 'softdog: Triggered' && break; sleep 0.2; done
        sleep 3; dmesg | grep -c 'softdog: Triggered - Reboot ignored'";
    let parameters = "softdog.soft_noboot=1 softdog.soft_margin=2";
    lab.guest().append(parameters).sh(script)?.prints("1\n")?;
    lab.guest()
        .append("softdog.soft_panic=1 softdog.soft_margin=1")
        .sh(": > /dev/watchdog; sleep 100")?
        .panic("Kernel panic - not syncing: Software Watchdog Timer expired")?
        .logged("softdog: Initiating panic")
        .map(drop)
}

fn d3_warning(lab: &Lab) -> Result<()> {
    let script = format!(
        "{CLASS}; cat pretimeout pretimeout_available_governors pretimeout_governor
        echo panic > pretimeout_governor; cat pretimeout_governor
        echo none 2>&- > pretimeout_governor || echo refused"
    );
    lab.guest().sh(&script)?.prints("0\nnoop\npanic\nnoop\npanic\nrefused\n")
}

fn d3_before_a_program(lab: &Lab) -> Result<()> {
    let watchdogd = "ps -o ppid,comm | grep -c '^ *2 watchdogd$'";
    let parameters = "softdog.soft_active_on_boot=1 softdog.soft_margin=5";
    let script =
        format!("sleep 12; {watchdogd}; {CLASS}; cat state; printf V > /dev/watchdog; cat state");
    let guest = || lab.guest().counting_instructions().append(parameters);
    guest().sh(&script)?.prints("1\ninactive\ninactive\n")?;
    let outcome = guest().append("watchdog.open_timeout=8").sh("sleep 100")?.off()?;
    outcome.logged("softdog: Initiating system reboot")?;
    let script = format!("{watchdogd}; true");
    lab.guest().sh(&script)?.prints("0\n")
}

fn d3_what_is_shown(lab: &Lab) -> Result<()> {
    let script = format!(
        "{CLASS}; for f in bootstatus identity max_timeout min_timeout nowayout pretimeout state status timeout; do echo $f: $(cat $f); done
        ls timeleft 2>&-; stat -c '%n %a' identity nowayout pretimeout_governor; readlink -f .
        grep -x '130 watchdog' /proc/misc; grep -x ' 10 misc' /proc/devices; grep -c -x '25[0-9] watchdog' /proc/devices
        cat /sys/module/watchdog/parameters/*"
    );
    let expected = "bootstatus: 0\nidentity: Software Watchdog\nmax_timeout: 65535\nmin_timeout: 1\nnowayout: 0\npretimeout: 0\n\
        state: inactive\nstatus: 0x200\ntimeout: 60\nidentity 444\nnowayout 644\npretimeout_governor 644\n\
        /sys/devices/virtual/watchdog/watchdog0\n130 watchdog\n 10 misc\n1\nY\n0\n";
    lab.guest().sh(&script)?.prints(expected)
}

fn d3_bad_parameter(lab: &Lab) -> Result<()> {
    let outcome =
        lab.guest().append("softdog.soft_margin=0").sh(&format!("{CLASS}; cat timeout"))?;
    outcome
        .logged("watchdog: Software Watchdog: driver supplied timeout (0) out of range")?
        .prints("60\n")
}

/// Modes, owners and numbers as Linux 6.1 has them.
fn d4_nodes(lab: &Lab) -> Result<()> {
    let script = "cd /dev; for n in console full kmsg null ptmx random tty ttyS0 urandom watchdog zero; do
            stat -c '%n %F %a %u:%g %t:%T' $n; done
        stat -c '%a %F' .; stat -c '%a %t' watchdog0; grep -e ' /dev/tty$' -e '/dev/console' -e ptmx -e ' mem$' /proc/devices";
    let expected = "\
console character special file 600 0:0 5:1
full character special file 666 0:0 1:7
kmsg character special file 644 0:0 1:b
null character special file 666 0:0 1:3
ptmx character special file 666 0:0 5:2
random character special file 666 0:0 1:8
tty character special file 666 0:0 5:0
ttyS0 character special file 600 0:0 4:40
urandom character special file 666 0:0 1:9
watchdog character special file 600 0:0 a:82
zero character special file 666 0:0 1:5
755 directory
600 fe
  1 mem
  5 /dev/tty
  5 /dev/console
  5 /dev/ptmx
";
    lab.guest().sh(script)?.prints(expected)
}

fn d4_the_thread(lab: &Lab) -> Result<()> {
    // Its own mounts: the device tree, and nothing else. What is asked of it quickly it does in one go, so how often it runs is open.
    let script = format!(
        "ps -o ppid,args | grep -x ' *2 .kdevtmpfs.'; pid=$(pidof kdevtmpfs); cut -d ' ' -f 1-3 /proc/$pid/mounts
        runs() {{ cut -d ' ' -f 3 /proc/$pid/schedstat; }}
        {DRIVER}; before=$(runs); echo softdog > unbind; echo softdog > bind; [ $(runs) -gt $before ] && echo it does it"
    );
    let outcome = lab.guest().sh(&script)?.status(0)?;
    let lines: Vec<_> = outcome.output().lines().map(str::trim).collect();
    let right = matches!(lines[..], ["2 [kdevtmpfs]", "devtmpfs / devtmpfs", "it does it"]);
    outcome.holds(right, "it is not the thread that does it").map(drop)
}

fn d4_nodes_come_and_go(lab: &Lab) -> Result<()> {
    let script = format!(
        "{DRIVER}; exec 2>&-
        shown() {{ echo $(ls /dev | grep watchdog) : $(ls /sys/class/watchdog) $(ls /sys/class/misc) : $(ls /sys/dev/char | grep -c -e 10:130 -e '^25.:0$'); }}
        shown; echo softdog > unbind; shown; grep watchdog /proc/misc; echo softdog > bind; shown
        chmod 666 /dev/watchdog; chown 1000 /dev/watchdog; ln /dev/watchdog /dev/other; echo softdog > unbind; shown; stat -c '%a %u' /dev/other
        mknod /dev/watchdog c 10 130; printf V > /dev/watchdog || echo nothing there
        echo softdog > bind; shown; printf V > /dev/watchdog; echo softdog > unbind; shown
        rm /dev/watchdog; echo other > bind || echo no such device; echo softdog > bind; shown
        exec 3> /dev/watchdog; echo softdog > unbind; shown; echo V >&3 || echo gone
        echo softdog > bind; exec 3>&-; printf V > /dev/watchdog; cat /sys/class/watchdog/watchdog0/state"
    );
    let (all, none) = ("watchdog watchdog0 : watchdog0 watchdog : 2\n", ": : 0\n");
    let expected = format!(
        "{all}{none}{all}{none}0 0\nnothing there\n{all}watchdog {none}no such device\n{all}{none}gone\ninactive\n"
    );
    lab.guest().sh(&script)?.prints(&expected)
}

fn d4_classes(lab: &Lab) -> Result<()> {
    let script = "cd /sys/class; for d in mem/null mem/kmsg tty/tty tty/console tty/ttyS0 misc/watchdog; do
            readlink $d; cat $d/dev; echo $(cat $d/uevent); readlink $d/subsystem; done
        cat tty/console/active; readlink /sys/dev/char/1:3; echo bad 2>&- > mem/null/uevent || echo refused";
    let expected = "\
../../devices/virtual/mem/null
1:3
MAJOR=1 MINOR=3 DEVNAME=null DEVMODE=0666
../../../../class/mem
../../devices/virtual/mem/kmsg
1:11
MAJOR=1 MINOR=11 DEVNAME=kmsg DEVMODE=0644
../../../../class/mem
../../devices/virtual/tty/tty
5:0
MAJOR=5 MINOR=0 DEVNAME=tty DEVMODE=0666
../../../../class/tty
../../devices/virtual/tty/console
5:1
MAJOR=5 MINOR=1 DEVNAME=console
../../../../class/tty
../../devices/platform/serial8250/tty/ttyS0
4:64
MAJOR=4 MINOR=64 DEVNAME=ttyS0
../../../../../class/tty
../../devices/virtual/misc/watchdog
10:130
MAJOR=10 MINOR=130 DEVNAME=watchdog
../../../../class/misc
ttyS0
../../devices/virtual/mem/null
refused
";
    lab.guest().sh(script)?.prints(expected)
}

fn d4_messages(lab: &Lab) -> Result<()> {
    let script = format!(
        "dogs listen change > /tmp/told & until grep -q ready /tmp/told; do sleep 0.1; done
        {DRIVER}; first=$(cat /sys/kernel/uevent_seqnum); echo softdog > unbind; echo softdog > bind; echo change > /sys/class/mem/null/uevent
        echo $(($(cat /sys/kernel/uevent_seqnum) - first)); wait; sed 's/MAJOR=25[0-9]/MAJOR=25x/' /tmp/told"
    );
    let watchdog0 = "DEVPATH=/devices/virtual/watchdog/watchdog0 SUBSYSTEM=watchdog MAJOR=25x MINOR=0 DEVNAME=watchdog0";
    let watchdog =
        "DEVPATH=/devices/virtual/misc/watchdog SUBSYSTEM=misc MAJOR=10 MINOR=130 DEVNAME=watchdog";
    let message = |action: &str, path: &str, rest: &str| {
        format!("{action}@/devices/virtual/{path} ACTION={action} {rest}\n")
    };
    let expected = [
        "5\nready\n".to_owned(),
        message("remove", "watchdog/watchdog0", watchdog0),
        message("remove", "misc/watchdog", watchdog),
        message("add", "misc/watchdog", watchdog),
        message("add", "watchdog/watchdog0", watchdog0),
        message(
            "change",
            "mem/null",
            "DEVPATH=/devices/virtual/mem/null SUBSYSTEM=mem SYNTH_UUID=0 MAJOR=1 MINOR=3 DEVNAME=null DEVMODE=0666",
        ),
    ];
    lab.guest().with(Program::Dogs)?.sh(&script)?.prints(&expected.concat())
}
