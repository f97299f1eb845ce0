//! `/etc/heddle/run`: what the guest's `/init` is to do. `user/init/src/order.rs` has the format.

use anyhow::{Result, bail};

/// The order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// The command's words; none for a shell.
    pub command: Vec<String>,
    /// Additions to the environment, `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The terminal's rows and columns.
    pub size: Option<(u16, u16)>,
    /// Input comes from a file and not from a person.
    pub raw_input: bool,
    /// Output goes to a file, byte by byte as it was written.
    pub raw_output: bool,
    /// The kernel is not Heddle and knows nothing of exit statuses.
    pub end_by_port: bool,
}

impl Order {
    /// The file's contents.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let mut record = |key: &str, value: &str| {
            if value.contains('\0') {
                bail!("a NUL in {value:?}");
            }
            file.extend_from_slice(format!("{key}={value}\0").as_bytes());
            Ok(())
        };
        for word in &self.command {
            record("arg", word)?;
        }
        for addition in &self.environment {
            record("env", addition)?;
        }
        if let Some((rows, columns)) = self.size {
            record("rows", &rows.to_string())?;
            record("columns", &columns.to_string())?;
        }
        for (wanted, key, value) in [
            (self.raw_input, "input", "raw"),
            (self.raw_output, "output", "raw"),
            (self.end_by_port, "end", "port"),
        ] {
            if wanted {
                record(key, value)?;
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_with_nul() {
        let order = Order {
            command: vec!["sh".into(), "-c".into(), "a=b; exit".into()],
            size: Some((24, 80)),
            raw_output: true,
            ..Order::default()
        };
        let expected = b"arg=sh\0arg=-c\0arg=a=b; exit\0rows=24\0columns=80\0output=raw\0";
        assert_eq!(order.to_bytes().unwrap(), expected);
    }

    #[test]
    fn a_word_with_a_nul_is_refused() {
        let order = Order { command: vec!["a\0b".into()], ..Order::default() };
        assert!(order.to_bytes().is_err());
    }
}
