//! `/sys/class/tty`: where programs look up which terminal is the console.

use core::fmt::Write;

use errno::Result;
use fs::DeviceNumber;
use kernfs::Attribute;

/// Adds the console's and its terminal's directories.
pub(crate) fn register(console: &'static str, device: DeviceNumber) -> Result<()> {
    let class = sysfs::root().subdirectory("class/tty")?;
    let active = Attribute::shown(move |text| Ok(writeln!(text, "{console}")?));
    class.subdirectory("console")?.add_file("active", active)?;
    let number =
        Attribute::shown(move |text| Ok(writeln!(text, "{}:{}", device.major, device.minor)?));
    class.subdirectory(console)?.add_file("dev", number)
}
