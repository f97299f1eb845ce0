//! Figures, by method, workload and subject.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How a figure was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Method {
    /// Instructions, counted on one CPU.
    Instructions,
    /// Nanoseconds that passed.
    Wall {
        /// Of the machine.
        cpus: u32,
    },
}

impl Method {
    /// A heading.
    pub(super) fn title(self) -> String {
        match self {
            Self::Instructions => "instructions, 1 CPU".into(),
            Self::Wall { cpus: 1 } => "wall time, 1 CPU".into(),
            Self::Wall { cpus } => format!("wall time, {cpus} CPUs"),
        }
    }

    /// How many CPUs the machine has.
    pub(super) fn cpus(self) -> u32 {
        match self {
            Self::Instructions => 1,
            Self::Wall { cpus } => cpus,
        }
    }
}

/// The name of the subject that is compared with the other.
pub(super) const HEDDLE: &str = "Heddle";
/// The other.
pub(super) const LINUX: &str = "Linux";

/// All figures of a run of this tool.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Results {
    /// When, in UTC.
    pub date: String,
    /// What was measured on what: versions and settings, a line each.
    pub about: Vec<String>,
    rows: Vec<Row>,
}

/// The figures of one workload.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub method: Method,
    pub name: String,
    /// Of each subject, one per run.
    figures: BTreeMap<String, Vec<f64>>,
    /// Of each subject, in how many runs it did not get to the end.
    #[serde(default)]
    unfinished: BTreeMap<String, u32>,
}

impl Results {
    /// None yet.
    pub(super) fn new(about: Vec<String>) -> Self {
        Self { date: today(), about, rows: Vec::new() }
    }

    /// Reads what [`Results::write`] wrote.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{}: not from --json", file.display()))
    }

    /// Whether they can be written there: asked before they are taken, which is long. What the file holds stays.
    pub(super) fn prepare(file: &Path) -> Result<()> {
        let opened = fs::OpenOptions::new().append(true).create(true).open(file);
        opened.map(drop).with_context(|| file.display().to_string())
    }

    /// Writes everything to a file.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(file, text + "\n").with_context(|| file.display().to_string())
    }

    /// Adds the figure of one run.
    pub(super) fn add(&mut self, method: Method, name: &str, subject: &str, figure: f64) {
        self.row(method, name).figures.entry(subject.into()).or_default().push(figure);
    }

    /// Adds a run that did not get to the end.
    pub(super) fn add_unfinished(&mut self, method: Method, name: &str, subject: &str) {
        *self.row(method, name).unfinished.entry(subject.into()).or_default() += 1;
    }

    fn row(&mut self, method: Method, name: &str) -> &mut Row {
        let found = self.rows.iter().position(|row| row.method == method && row.name == name);
        let row = found.unwrap_or_else(|| {
            self.rows.push(Row::new(method, name));
            self.rows.len() - 1
        });
        &mut self.rows[row]
    }

    /// The methods used.
    pub(super) fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<_> = self.rows.iter().map(|row| row.method).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    /// The rows of a method, in the order of the workloads; those without a place in it come last.
    pub(super) fn rows(&self, method: Method) -> Vec<&Row> {
        let order = |row: &&Row| {
            let known = &super::workloads::WORKLOADS;
            known.iter().position(|workload| workload.name == row.name).unwrap_or(known.len())
        };
        let mut rows: Vec<_> = self.rows.iter().filter(|row| row.method == method).collect();
        rows.sort_by_key(order);
        rows
    }

    /// A row.
    pub(super) fn find(&self, method: Method, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.method == method && row.name == name)
    }
}

impl Row {
    fn new(method: Method, name: &str) -> Self {
        Self { method, name: name.into(), figures: BTreeMap::new(), unfinished: BTreeMap::new() }
    }

    /// The subjects that did not always get to the end, and in how many runs of how many.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.unfinished.iter().map(|(subject, &count)| {
            let finished = self.figures.get(subject).map_or(0, Vec::len) as u32;
            (&**subject, count, finished + count)
        })
    }

    /// The median of a subject's runs.
    pub(super) fn median(&self, subject: &str) -> Option<f64> {
        let mut figures = self.figures.get(subject)?.clone();
        figures.sort_unstable_by(f64::total_cmp);
        let middle = figures.len() / 2;
        match figures.len() {
            0 => None,
            length if length % 2 == 1 => Some(figures[middle]),
            _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
        }
    }

    /// How many times more Linux takes.
    pub(super) fn ratio(&self) -> Option<f64> {
        let (ours, theirs) = (self.median(HEDDLE)?, self.median(LINUX)?);
        (ours > 0.0 && theirs > 0.0).then(|| theirs / ours)
    }

    /// From the least to the most of a subject's runs, in parts of the median; the larger of the subjects'.
    pub(super) fn spread(&self) -> f64 {
        let of = |(subject, figures): (&String, &Vec<f64>)| {
            let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
            let most = figures.iter().copied().fold(0.0, f64::max);
            self.median(subject)
                .filter(|&median| median > 0.0)
                .map(|median| (most - least) / median)
        };
        self.figures.iter().filter_map(of).fold(0.0, f64::max)
    }
}

/// The date as `YYYY-MM-DD`.
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    date(since.map_or(0, |time| time.as_secs()) / 86_400)
}

/// The date so many days after 1 January 1970.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r05_medians_ratios_and_spread() {
        let mut results = Results::new(vec![]);
        for figure in [90.0, 110.0, 100.0] {
            results.add(Method::Instructions, "getppid", HEDDLE, figure);
        }
        results.add(Method::Instructions, "getppid", LINUX, 150.0);
        results.add(Method::Instructions, "getppid", LINUX, 250.0);
        let row = results.find(Method::Instructions, "getppid").unwrap();
        assert_eq!(row.median(HEDDLE), Some(100.0));
        assert_eq!(row.median(LINUX), Some(200.0));
        assert_eq!(row.ratio(), Some(2.0));
        assert_eq!(row.spread(), 0.5);
    }

    #[test]
    fn r05_runs_that_do_not_end_are_counted() {
        let mut results = Results::new(vec![]);
        let wall = Method::Wall { cpus: 4 };
        results.add(wall, "stat", HEDDLE, 1.0);
        results.add(wall, "stat", LINUX, 2.0);
        results.add_unfinished(wall, "stat", LINUX);
        let row = results.find(wall, "stat").unwrap();
        assert_eq!(row.unfinished().collect::<Vec<_>>(), [(LINUX, 1, 2)]);
        assert_eq!(row.ratio(), Some(2.0));
    }

    #[test]
    fn written_and_read_again() {
        let mut results = Results::new(vec!["about".into()]);
        results.add(Method::Wall { cpus: 2 }, "stat", HEDDLE, 1.5);
        let file = tempfile::NamedTempFile::new().unwrap();
        results.write(file.path()).unwrap();
        Results::prepare(file.path()).unwrap();
        assert!(Results::prepare(Path::new("/nonexistent/file")).is_err());
        let again = Results::read(file.path()).unwrap();
        let row = again.find(Method::Wall { cpus: 2 }, "stat").unwrap();
        assert_eq!((row.median(HEDDLE), again.about.len()), (Some(1.5), 1));
        assert!(Results::read(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_453), "2025-12-31");
    }
}
