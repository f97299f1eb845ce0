//! The ratios as a picture: one bar a workload on a logarithmic axis, to the right where Heddle takes less.

use super::results::{Method, Results};
use super::workloads::{self, Place, Unit};
use std::fmt::Write;

/// Pixels.
const ROW: f64 = 18.0;
const LEFT: f64 = 300.0;
const WIDTH: f64 = 460.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 70.0;

/// The axis goes from a half to a hundred, and further if a ratio does.
const LEAST: f64 = 0.5;
const MOST: f64 = 100.0;

/// A bar.
struct Bar {
    title: String,
    place: Place,
    ratio: f64,
    goal: Option<f64>,
}

/// The picture of one method: counted instructions if there are any.
pub(super) fn svg(results: &Results) -> String {
    let Some(&method) = results.methods().first() else {
        return draw("nothing was measured", &[]);
    };
    let title = format!("Linux ÷ Heddle, {}: further right, Heddle takes less", method.title());
    draw(&title, &bars(results, method))
}

fn bars(results: &Results, method: Method) -> Vec<Bar> {
    let mut bars: Vec<_> = results
        .rows(method)
        .into_iter()
        .filter_map(|row| {
            let workload = workloads::find(&row.name);
            let mut title = workload.map_or(&*row.name, |workload| workload.title).to_owned();
            if workloads::unit(&row.name) == Unit::Bytes {
                title.push_str(" (bytes)");
            }
            let goal = workload.and_then(|workload| workload.goal);
            Some(Bar { title, place: workloads::place(&row.name), ratio: row.ratio()?, goal })
        })
        .collect();
    bars.sort_by_key(|bar| Place::ALL.iter().position(|&place| place == bar.place));
    bars
}

fn draw(title: &str, bars: &[Bar]) -> String {
    let least = bars.iter().map(|bar| bar.ratio).fold(LEAST, f64::min);
    let most = bars.iter().map(|bar| bar.ratio).fold(MOST, f64::max);
    let x = |ratio: f64| LEFT + WIDTH * (ratio / least).ln() / (most / least).ln();
    let headings = bars.chunk_by(|one, other| one.place == other.place).count();
    let bottom = TOP + ROW * (bars.len() + headings) as f64;
    let (width, height) = (LEFT + WIDTH + RIGHT, bottom + 20.0);
    // Writing to a string does not fail, here and below.
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"15\">{}</text>\n\
         <text x=\"10\" y=\"42\" fill=\"#666\">A line across a bar is the goal.</text>",
        escaped(title)
    );
    for tick in [0.01, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
    {
        if (least..=most).contains(&tick) {
            let (x, colour) = (x(tick), if tick == 1.0 { "#333" } else { "#ddd" });
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" stroke=\"{colour}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{tick}×</text>",
                TOP - 6.0
            );
        }
    }
    let mut y = TOP;
    for group in bars.chunk_by(|one, other| one.place == other.place) {
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
            y + 13.0,
            group[0].place.title()
        );
        y += ROW;
        for bar in group {
            let (from, to) = (x(bar.ratio.min(1.0)), x(bar.ratio.max(1.0)));
            let colour = if bar.ratio >= 1.0 { "#3a7d5d" } else { "#b5533c" };
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#333\">{:.2}</text>",
                LEFT - 8.0,
                y + 13.0,
                escaped(&bar.title),
                y + 3.0,
                to - from,
                ROW - 6.0,
                to + 5.0,
                y + 13.0,
                bar.ratio
            );
            if let Some(goal) = bar.goal {
                let x = x(goal);
                let _ = writeln!(
                    svg,
                    "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"black\" \
                     stroke-width=\"2\"/>",
                    y + ROW
                );
            }
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{HEDDLE, LINUX};

    #[test]
    fn r05_one_bar_for_each_ratio() {
        let mut results = Results::new(vec![]);
        for (name, ours, theirs) in [("getppid", 100.0, 250.0), ("stat", 300.0, 100.0)] {
            results.add(Method::Instructions, name, HEDDLE, ours);
            results.add(Method::Instructions, name, LINUX, theirs);
        }
        results.add(Method::Instructions, "create_wake_stop", HEDDLE, 1.0);
        let svg = svg(&results);
        assert_eq!(svg.matches("fill=\"#3a7d5d\"").count(), 1, "{svg}");
        assert_eq!(svg.matches("fill=\"#b5533c\"").count(), 1, "{svg}");
        assert!(svg.contains(">2.50<") && svg.contains(">0.33<"), "{svg}");
    }

    #[test]
    fn text_does_not_end_the_picture() {
        assert_eq!(escaped("a<b & c"), "a&lt;b &amp; c");
    }
}
