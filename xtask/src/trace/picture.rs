//! The lives of some threads as a picture: a lane each, with its states, and arrows from waker to woken.
//!
//! Between two events lie nanoseconds or minutes, so the axis is not linear: a time is drawn as wide as its logarithm says, and each
//! event has its place. Times that are long for the picture are written above it.

use super::choice::Lanes;
use super::event::State;
use super::model::{Cause, Span, Thread, Timeline};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Pixels.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 86.0;
const LANE: f64 = 58.0;
const BAR: f64 = 20.0;
const BOTTOM: f64 = 62.0;
const WIDTH_LEAST: f64 = 1000.0;
const WIDTH_MOST: f64 = 4000.0;

/// Of CPUs, told apart by those who do not see all colours, too.
const CPUS: [&str; 8] =
    ["#4477aa", "#228833", "#aa3377", "#ee6677", "#66ccee", "#997700", "#332288", "#882255"];

/// The picture.
pub(crate) fn svg(timeline: &Timeline, lanes: &Lanes, title: &str) -> String {
    Picture::new(timeline, lanes).draw(title)
}

struct Picture<'a> {
    timeline: &'a Timeline,
    /// Threads from top to bottom.
    lanes: Vec<usize>,
    axis: Axis,
    out: String,
}

/// Where times lie.
struct Axis {
    /// Each event's time, with its place.
    places: BTreeMap<u64, f64>,
    from: u64,
    to: u64,
    width: f64,
}

impl Axis {
    fn new(times: impl Iterator<Item = u64>, from: u64, to: u64) -> Self {
        let mut times: Vec<u64> = times.filter(|time| (from..=to).contains(time)).collect();
        times.extend([from, to]);
        times.sort_unstable();
        times.dedup();
        // A time as long as most are is one step wide.
        let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(1).max(1) as f64;
        let step = |gap: u64| 6.0 + 16.0 * (1.0 + gap as f64 / usual).ln();
        let mut width = 0.0;
        let mut places = BTreeMap::new();
        for pair in times.windows(2) {
            places.insert(pair[0], width);
            width += step(pair[1] - pair[0]);
        }
        places.insert(to, width);
        let scale = (width.clamp(WIDTH_LEAST, WIDTH_MOST)) / width.max(1.0);
        places.values_mut().for_each(|place| *place *= scale);
        Self { places, from, to, width: width * scale }
    }

    /// Pixels from the left.
    fn x(&self, time: u64) -> f64 {
        let time = time.clamp(self.from, self.to);
        let before = self.places.range(..=time).next_back();
        let after = self.places.range(time..).next();
        let place = match (before, after) {
            (Some((&from, &left)), Some((&to, &right))) if to > from => {
                left + (right - left) * (time - from) as f64 / (to - from) as f64
            }
            (Some((_, &place)), _) | (_, Some((_, &place))) => place,
            (None, None) => 0.0,
        };
        LEFT + place
    }
}

/// The time that is worth showing: from the request to make the first of the chosen to the end of the last.
fn times(timeline: &Timeline, lanes: &Lanes) -> (u64, u64) {
    let chosen = || lanes.chosen.iter().map(|&place| &timeline.threads[place]);
    let first = |thread: &Thread| thread.spans.first().map(|span| span.from);
    let last = |thread: &Thread| thread.spans.last().map(|span| span.to);
    let born = chosen().filter_map(first).min().unwrap_or(timeline.from);
    // Whoever wants a thread wakes the one that makes it.
    let makers: Vec<usize> = chosen().filter_map(|thread| thread.parent).collect();
    let request = timeline.arrows.iter().rfind(|arrow| {
        arrow.cause != Cause::Fork && arrow.from <= born && makers.contains(&arrow.woken)
    });
    let from = request.map_or(born, |arrow| arrow.from).max(timeline.from);
    let end = chosen().filter_map(last).max().unwrap_or(timeline.to);
    // And who waits for its end goes on.
    let joined = timeline.arrows.iter().filter(|arrow| {
        arrow.waker.is_some_and(|waker| lanes.chosen.contains(&waker)) && arrow.from <= end
    });
    let to = joined.map(|arrow| arrow.to).max().unwrap_or(end).max(end);
    let margin = |length: u64| (length / 50).clamp(1, 20_000);
    let around = margin(to - from);
    (from.saturating_sub(around).max(timeline.from), (to + around).min(timeline.to).max(from + 1))
}

impl<'a> Picture<'a> {
    fn new(timeline: &'a Timeline, lanes: &Lanes) -> Self {
        let (from, to) = times(timeline, lanes);
        let all: Vec<usize> = lanes.partners.iter().chain(&lanes.chosen).copied().collect();
        // What partners do for others is not told in steps of its own.
        let spans = lanes.chosen.iter().flat_map(|&place| &timeline.threads[place].spans);
        let marks = lanes.chosen.iter().flat_map(|&place| &timeline.threads[place].marks);
        let arrows = timeline.arrows.iter().filter(|arrow| connects(&all, &lanes.chosen, arrow));
        let times = spans
            .flat_map(|span| [span.from, span.to])
            .chain(marks.map(|mark| mark.time))
            .chain(arrows.flat_map(|arrow| [arrow.from, arrow.to]));
        let axis = Axis::new(times, from, to);
        Self { timeline, lanes: all, axis, out: String::new() }
    }

    fn middle(&self, lane: usize) -> f64 {
        TOP + LANE * lane as f64 + LANE / 2.0
    }

    fn draw(mut self, title: &str) -> String {
        let width = LEFT + self.axis.width + RIGHT;
        let height = TOP + LANE * self.lanes.len() as f64 + BOTTOM;
        // Writing to a string does not fail, here and below.
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
             <defs>{}</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"24\" font-size=\"16\" font-weight=\"600\">{}</text>\n\
             <text x=\"12\" y=\"43\" fill=\"#555\">{}</text>\n",
            heads(),
            escape(title),
            escape(&self.facts())
        );
        self.draw_axis();
        for lane in 0..self.lanes.len() {
            self.draw_lane(lane);
        }
        self.draw_arrows();
        self.draw_legend(height - BOTTOM + 22.0);
        self.out.push_str("</svg>\n");
        self.out
    }

    fn facts(&self) -> String {
        let mut facts = format!(
            "{}, from {} s after boot; the axis is logarithmic between events",
            length(self.axis.to - self.axis.from),
            seconds(self.axis.from)
        );
        if self.timeline.lost != 0 {
            let _ = write!(facts, "; {} events were lost", self.timeline.lost);
        }
        facts
    }

    /// Long times have their lengths above, as far as there is room.
    fn draw_axis(&mut self) {
        let events: Vec<(u64, f64)> =
            self.axis.places.iter().map(|(&time, &x)| (time, x)).collect();
        let bottom = TOP + LANE * self.lanes.len() as f64;
        for pair in events.windows(2) {
            let (time, left, right) = (pair[1].0 - pair[0].0, LEFT + pair[0].1, LEFT + pair[1].1);
            let text = length(time);
            if right - left > 7.0 * text.chars().count() as f64 {
                let _ = writeln!(
                    self.out,
                    "<path d=\"M{left:.1} {y}h{:.1}m0 -4v8m-{:.1} 0v-8\" stroke=\"#bbb\" fill=\"none\"/>\
                     <text x=\"{:.1}\" y=\"{:.0}\" fill=\"#777\" font-size=\"10\" text-anchor=\"middle\">{text}</text>",
                    right - left,
                    right - left,
                    (left + right) / 2.0,
                    TOP - 16.0,
                    y = TOP - 10.0
                );
                let _ = writeln!(
                    self.out,
                    "<path d=\"M{left:.1} {TOP:.1}V{bottom:.1}M{right:.1} {TOP:.1}V{bottom:.1}\" stroke=\"#f0f0f0\"/>"
                );
            }
        }
    }

    fn draw_lane(&mut self, lane: usize) {
        let thread = &self.timeline.threads[self.lanes[lane]];
        let y = self.middle(lane);
        let name = match thread.is_kernel {
            true => format!("[{}]", thread.name),
            false => thread.name.clone(),
        };
        let _ = writeln!(
            self.out,
            "<text x=\"12\" y=\"{:.0}\" font-weight=\"600\">{}</text><text x=\"12\" y=\"{:.0}\" fill=\"#777\" font-size=\"10\">{}</text>",
            y,
            escape(&name),
            y + 13.0,
            thread.pid
        );
        for span in &thread.spans {
            if span.to > self.axis.from && span.from < self.axis.to {
                self.draw_span(span, y);
            }
        }
        if let Some(ended) = thread.ended.filter(|ended| *ended <= self.axis.to) {
            let x = self.axis.x(ended);
            let _ = writeln!(
                self.out,
                "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"#b00\" stroke-width=\"2.5\"><title>ends</title></path>",
                x - 1.0,
                y - 4.0
            );
        }
        self.draw_marks(thread, y);
    }

    fn draw_span(&mut self, span: &Span, y: f64) {
        let (left, right) = (self.axis.x(span.from), self.axis.x(span.to));
        let width = (right - left).max(0.8);
        let Look { fill, height, edge, .. } = look(span.state);
        let words = match span.state {
            State::Running(cpu) => format!("running on CPU {cpu}"),
            state => state.words().to_owned(),
        };
        let _ = writeln!(
            self.out,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{fill}\"{edge}><title>{words}, {} from {} s</title></rect>",
            y - height / 2.0,
            length(span.to - span.from),
            seconds(span.from)
        );
        if let State::Running(cpu) = span.state
            && width > 34.0
        {
            let _ = writeln!(
                self.out,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#fff\" font-size=\"10\" text-anchor=\"middle\">CPU {cpu}</text>",
                left + width / 2.0,
                y + 3.5
            );
        }
    }

    /// Words above the lane, in turns higher and lower, each where the one before has left room.
    fn draw_marks(&mut self, thread: &Thread, y: f64) {
        let born = thread.born.map(|time| (time, "made", ""));
        let marks = thread.marks.iter().map(|mark| (mark.time, &*mark.name, &*mark.arguments));
        let mut free = [f64::MIN; 2];
        for (time, name, arguments) in born.into_iter().chain(marks) {
            if !(self.axis.from..=self.axis.to).contains(&time) || !is_worth_words(name) {
                continue;
            }
            let x = self.axis.x(time);
            let row = usize::from(free[0] > x);
            let (words, title) = words_of(name, arguments);
            let top = y - BAR / 2.0 - 3.0 - 10.0 * row as f64;
            let _ = write!(
                self.out,
                "<g><title>{} at {} s</title><path d=\"M{x:.1} {:.1}V{:.1}\" stroke=\"#000\"/>",
                escape(&title),
                seconds(time),
                y + BAR / 2.0,
                top
            );
            if free[row] <= x {
                let _ = write!(
                    self.out,
                    "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" paint-order=\"stroke\" stroke=\"#fff\" stroke-width=\"3\">{}</text>",
                    x + 2.0,
                    top + 1.0,
                    escape(&words)
                );
                free[row] = x + 6.0 + 5.4 * words.chars().count() as f64;
            }
            self.out.push_str("</g>\n");
        }
    }

    fn draw_arrows(&mut self) {
        let lane = |place: usize| self.lanes.iter().position(|&one| one == place);
        let mut text = String::new();
        for arrow in &self.timeline.arrows {
            let Some(woken) = lane(arrow.woken) else { continue };
            if arrow.from < self.axis.from || arrow.to > self.axis.to {
                continue;
            }
            let (left, right) = (self.axis.x(arrow.from), self.axis.x(arrow.to));
            let colour = colour(arrow.cause);
            let y2 = self.middle(woken);
            let (y1, waker) = match arrow.waker.map(lane) {
                Some(Some(waker)) => (self.middle(waker), self.label(self.lanes[waker])),
                // Interrupts come from below.
                None if arrow.cause == Cause::Interrupt => {
                    (y2 + LANE / 2.0 - 2.0, format!("an interrupt on CPU {}", arrow.cpu))
                }
                Some(None) | None => continue,
            };
            // It ends at the edge of its lane, not in the middle.
            let end = if y2 > y1 { y2 - BAR / 2.0 } else { y2 + BAR / 2.0 };
            let start = if y2 > y1 { y1 + BAR / 2.0 } else { y1 - BAR / 2.0 };
            let start = if arrow.waker.is_some() { start } else { y1 };
            let _ = writeln!(
                text,
                "<path d=\"M{left:.1} {start:.1}L{right:.1} {end:.1}\" stroke=\"{colour}\" stroke-width=\"1.2\" fill=\"none\" marker-end=\"url(#{})\"><title>{} {} {}, which runs {} later</title></path>",
                head(arrow.cause),
                escape(&waker),
                verb(arrow.cause),
                escape(&self.label(arrow.woken)),
                length(arrow.to - arrow.from)
            );
        }
        self.out.push_str(&text);
    }

    fn label(&self, thread: usize) -> String {
        self.timeline.threads[thread].label()
    }

    fn draw_legend(&mut self, y: f64) {
        let mut x = 12.0;
        let mut states: Vec<State> = (0..self.timeline.cpus.len()).map(State::Running).collect();
        states.extend([
            State::New,
            State::Runnable,
            State::Sleeping,
            State::Uninterruptible,
            State::Idle,
            State::Parked,
        ]);
        for state in states {
            let Look { fill, height, edge, .. } = look(state);
            let words = match state {
                State::Running(cpu) => format!("running on CPU {cpu}"),
                State::Idle => "idle (uninterruptible, no load)".to_owned(),
                state => state.words().to_owned(),
            };
            let _ = writeln!(
                self.out,
                "<rect x=\"{x:.0}\" y=\"{:.1}\" width=\"16\" height=\"{height}\" fill=\"{fill}\"{edge}/><text x=\"{:.0}\" y=\"{:.1}\" font-size=\"11\">{words}</text>",
                y - height / 2.0,
                x + 20.0,
                y + 4.0
            );
            x += 34.0 + 6.2 * words.chars().count() as f64;
        }
        let (y, mut x) = (y + 22.0, 12.0);
        for cause in [Cause::Wake, Cause::Interrupt, Cause::Fork] {
            let words = match cause {
                Cause::Wake => "wakes",
                Cause::Interrupt => "is woken by an interrupt",
                Cause::Fork => "makes",
            };
            let _ = writeln!(
                self.out,
                "<path d=\"M{x:.0} {y:.1}h18\" stroke=\"{}\" stroke-width=\"1.2\" marker-end=\"url(#{})\"/><text x=\"{:.0}\" y=\"{:.1}\" font-size=\"11\">{words}</text>",
                colour(cause),
                head(cause),
                x + 26.0,
                y + 4.0
            );
            x += 46.0 + 6.2 * words.len() as f64;
        }
        let _ = writeln!(
            self.out,
            "<path d=\"M{x:.0} {:.1}l8 8m0 -8l-8 8\" stroke=\"#b00\" stroke-width=\"2.5\"/><text x=\"{:.0}\" y=\"{:.1}\" font-size=\"11\">ends</text>",
            y - 4.0,
            x + 14.0,
            y + 4.0
        );
    }
}

/// Whether an arrow belongs to the picture: between two of its lanes, or from an interrupt to one of the chosen.
fn connects(all: &[usize], chosen: &[usize], arrow: &super::model::Arrow) -> bool {
    match arrow.waker {
        Some(waker) => {
            all.contains(&waker)
                && all.contains(&arrow.woken)
                && (chosen.contains(&waker) || chosen.contains(&arrow.woken))
        }
        None => chosen.contains(&arrow.woken),
    }
}

/// How a state is drawn.
struct Look {
    fill: &'static str,
    height: f64,
    edge: &'static str,
}

fn look(state: State) -> Look {
    let (fill, height, edge) = match state {
        State::Running(cpu) => (CPUS[cpu % CPUS.len()], BAR, ""),
        State::New => ("#fff", 10.0, " stroke=\"#7a5cc0\" stroke-dasharray=\"3 2\""),
        State::Runnable => ("#f5c342", 14.0, ""),
        State::Sleeping => ("#bcd3e6", 6.0, ""),
        State::Uninterruptible => ("#e88a7d", 6.0, ""),
        State::Idle => ("#cccccc", 6.0, ""),
        State::Parked => ("#a98bd0", 6.0, ""),
        State::Stopped | State::Traced => ("#888888", 6.0, ""),
        State::Dead | State::Unknown => ("#ffffff", 2.0, ""),
    };
    Look { fill, height, edge }
}

fn colour(cause: Cause) -> &'static str {
    match cause {
        Cause::Wake => "#333333",
        Cause::Interrupt => "#c76a00",
        Cause::Fork => "#0a7a3c",
    }
}

fn head(cause: Cause) -> &'static str {
    match cause {
        Cause::Wake => "wake",
        Cause::Interrupt => "interrupt",
        Cause::Fork => "fork",
    }
}

fn verb(cause: Cause) -> &'static str {
    match cause {
        Cause::Wake | Cause::Interrupt => "wakes",
        Cause::Fork => "makes",
    }
}

fn heads() -> String {
    let one = |cause| {
        format!(
            "<marker id=\"{}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{}\"/></marker>",
            head(cause),
            colour(cause)
        )
    };
    [Cause::Wake, Cause::Interrupt, Cause::Fork].map(one).concat()
}

/// Marks that a life is told with; others are in the timeline.
fn is_worth_words(name: &str) -> bool {
    !matches!(name, "sched_migrate_task" | "freed" | "tracing_mark_write" | "task_newtask")
        && !name.starts_with("workqueue_")
        && !name.starts_with("sched_kthread_work")
}

/// What stands in the picture, and what is said when somebody points at it.
fn words_of(name: &str, arguments: &str) -> (String, String) {
    match (name, arguments.strip_prefix("ret=")) {
        ("sched_kthread_stop_ret", Some(value)) => {
            (format!("stop gives {value}"), format!("stop gives {value}"))
        }
        _ if arguments.is_empty() => (name.to_owned(), name.to_owned()),
        _ => (name.to_owned(), format!("{name} {arguments}")),
    }
}

fn seconds(time: u64) -> String {
    format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000)
}

/// A length of time in the unit that suits it.
fn length(nanoseconds: u64) -> String {
    let (unit, name) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (1e3, "µs"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = nanoseconds as f64 / unit;
    if value < 10.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::build::{build, tests::a_life};
    use crate::trace::choice::Choice;
    use crate::trace::text;

    #[test]
    fn r04_a_picture_tells_a_life() {
        let timeline = build(&text::read(&a_life()));
        let lanes = Choice::default().lanes(&timeline).unwrap();
        let svg = svg(&timeline, &lanes, "a <life>");
        for words in [
            "a &lt;life&gt;",
            ">[life]<",
            ">[kthreadd]<",
            "kthreadd-2 makes life-9",
            "life-9 wakes init-1",
            "new, 2.0 µs",
            ">made<",
            ">asked to stop<",
            ">exit<",
            "<title>ends</title>",
        ] {
            assert!(svg.contains(words), "{words} is not in\n{svg}");
        }
    }

    #[test]
    fn r04_the_axis_keeps_the_order() {
        let axis = Axis::new([5, 6, 1_000_000, 2_000_000_000].into_iter(), 0, 3_000_000_000);
        let mut last = 0.0;
        for time in [0, 3, 5, 6, 999, 1_000_000, 5_000_000, 2_000_000_000, 3_000_000_000] {
            let x = axis.x(time);
            assert!(x > last, "{time} lies at {x}, not behind {last}");
            last = x;
        }
    }

    #[test]
    fn r04_lengths_have_units() {
        let texts = [7, 1_500, 25_000_000, 3_000_000_000].map(length);
        assert_eq!(texts, ["7 ns", "1.5 µs", "25 ms", "3.0 s"]);
    }
}
