//! Draws what came of a section: bars for workloads, lines where something grows.
//!
//! The charts are SVG. No font is needed to make them: whoever shows them has one.

use super::run::Figures;
use super::suite::{Chart, Section, Suite};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use std::fs;
use std::io;
use std::path::Path;

/// Colours that can be told apart by most people, from Okabe and Ito.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
    RGBColor(0, 0, 0),
];

/// Bars that are longer than so many times the shortest are cut off.
const LONGEST: f64 = 25.0;

const WIDTH: u32 = 720;
const BAR: u32 = 26;
/// plotters writes sizes by a fifth smaller than asked for.
const FONT: (&str, i32) = ("sans-serif", 15);
const TITLE: (&str, i32) = ("sans-serif", 20);

/// One series of a chart: its name, and its points.
type Series = (String, Vec<(f64, f64)>);

/// Draws the charts of `section` into the folder `benchmarks` beside `page`; returns their titles, and their
/// paths from there.
pub(crate) fn draw(
    suite: &Suite,
    section: &Section,
    figures: &[Figures],
    page: &Path,
) -> io::Result<Vec<(String, String)>> {
    let folder = page.with_file_name("benchmarks");
    let mut drawn = Vec::new();
    for (title, picture) in pictures(section, figures) {
        let words = title.replace([' ', ',', '.'], "_").replace("__", "_");
        let name = format!("{}_{words}.svg", suite.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&name), picture)?;
        drawn.push((title, format!("benchmarks/{name}")));
    }
    Ok(drawn)
}

/// The charts, by title, as SVG.
fn pictures(section: &Section, figures: &[Figures]) -> Vec<(String, String)> {
    match section.chart {
        Chart::Nothing => Vec::new(),
        Chart::Bars => {
            let firsts = figures.iter().filter(|it| is_first(it));
            let named = firsts.map(|it| (it.name(), bars(&it.name(), &medians(section, it))));
            named
                .filter_map(|(title, picture)| Some((title, picture?)))
                .collect()
        }
        Chart::BySize => by_size(section, figures),
        Chart::ByWorkers => by_workers(section, figures),
    }
}

/// Whether it is the figure that matters of its row.
fn is_first(figures: &Figures) -> bool {
    figures.row.parts.first() == Some(figures.part)
}

/// The medians of those who have any.
fn medians(section: &Section, figures: &Figures) -> Vec<(String, f64)> {
    let both = section.contestants.iter().zip(&figures.outcomes);
    both.filter_map(|(who, outcome)| Some((who.to_string(), outcome.spread()?.median)))
        .collect()
}

/// A chart for each stem of a name and each part, whose lines are contestants.
fn by_size(section: &Section, figures: &[Figures]) -> Vec<(String, String)> {
    let mut charts: Vec<(String, Vec<Series>)> = Vec::new();
    for it in figures {
        let Some((stem, size)) = it.row.size() else {
            continue;
        };
        let title = match it.part.label {
            "" => stem.to_owned(),
            label => format!("{stem}, {label}"),
        };
        for (who, median) in medians(section, it) {
            add(&mut charts, &title, who, (size as f64, median));
        }
    }
    lines_of(charts)
}

/// A chart for each row, whose lines are peers and placements.
fn by_workers(section: &Section, figures: &[Figures]) -> Vec<(String, String)> {
    let mut charts = Vec::new();
    for it in figures.iter().filter(|it| is_first(it)) {
        for (contestant, outcome) in section.contestants.iter().zip(&it.outcomes) {
            if let Some(spread) = outcome.spread() {
                let procs = contestant.setting.procs();
                let who = contestant.to_string().replace(&format!(", P={procs}"), "");
                let title = format!("{} by workers", it.name());
                add(&mut charts, &title, who, (f64::from(procs), spread.median));
            }
        }
    }
    lines_of(charts)
}

fn add(charts: &mut Vec<(String, Vec<Series>)>, title: &str, who: String, point: (f64, f64)) {
    let at = charts.iter().position(|(it, _)| it == title);
    let at = at.unwrap_or_else(|| {
        charts.push((title.to_owned(), Vec::new()));
        charts.len() - 1
    });
    let series = &mut charts[at].1;
    match series.iter_mut().find(|(it, _)| *it == who) {
        Some((_, points)) => points.push(point),
        None => series.push((who, vec![point])),
    }
}

fn lines_of(charts: Vec<(String, Vec<Series>)>) -> Vec<(String, String)> {
    let drawn = charts.into_iter();
    drawn
        .filter_map(|(title, series)| {
            let picture = lines(&title, &series)?;
            Some((title, picture))
        })
        .collect()
}

/// A bar for each of `values`; nothing if there are none.
fn bars(title: &str, values: &[(String, f64)]) -> Option<String> {
    let shortest = values.iter().map(|(_, value)| *value).reduce(f64::min)?;
    let longest = values.iter().map(|(_, value)| *value).reduce(f64::max)?;
    let end = longest.min(shortest.max(0.01) * LONGEST).max(0.01) * 1.15;
    let mut picture = String::new();
    let height = 60 + BAR * values.len() as u32;
    let area = SVGBackend::with_string(&mut picture, (WIDTH, height)).into_drawing_area();
    draw_bars(&area, title, values, end).ok()?;
    drop(area);
    Some(picture)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw_bars<'a>(area: &Area<'a>, title: &str, values: &[(String, f64)], end: f64) -> Drawn<'a> {
    let height = values.len() as f64;
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE)
        .margin(6)
        .margin_left(165)
        .build_cartesian_2d(0.0..end, height..0.0)?;
    for (at, (who, value)) in values.iter().enumerate() {
        let (top, shown) = (at as f64, value.min(end));
        let colour = COLOURS[usize::from(!who.starts_with("gorge")) * 2];
        let corners = [(0.0, top + 0.15), (shown, top + 0.85)];
        chart.draw_series([Rectangle::new(corners, colour.filled())])?;
        let mark = if *value > end { " →" } else { "" };
        let label = format!("{}{mark}", short(*value));
        let middle = chart.backend_coord(&(0.0, top + 0.5)).1 - 6;
        area.draw(&Text::new(who.clone(), (8, middle), FONT))?;
        // Beside the bar, or in it if it is cut off.
        let right = chart.backend_coord(&(shown, 0.0)).0;
        let (x, colour) = match *value > end {
            true => (right - 80, &WHITE),
            false => (right + 5, &BLACK),
        };
        let style = TextStyle::from(FONT.into_font()).color(colour);
        area.draw(&Text::new(label, (x, middle), style))?;
    }
    Ok(())
}

/// A line for each series, on logarithmic axes; nothing if there are no points.
fn lines(title: &str, series: &[Series]) -> Option<String> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let low = points().map(|point| point.1).reduce(f64::min)?.max(0.1);
    let high = points().map(|point| point.1).reduce(f64::max)?.max(0.2);
    let first = points().map(|point| point.0).reduce(f64::min)?;
    let last = points().map(|point| point.0).reduce(f64::max)?;
    let vertical = (low * 0.8..high * 1.25).log_scale();
    let mut picture = String::new();
    let area = SVGBackend::with_string(&mut picture, (WIDTH, 400)).into_drawing_area();
    // Per cent begin at nothing, which no logarithm has.
    let drawn = match first > 0.0 {
        true => draw_lines(
            &area,
            title,
            (first..last * 1.01).log_scale(),
            vertical,
            series,
        ),
        false => draw_lines(&area, title, first..last.max(1.0), vertical, series),
    };
    drawn.ok()?;
    drop(area);
    Some(picture)
}

fn draw_lines<'a, X, Y>(
    area: &Area<'a>,
    title: &str,
    horizontal: X,
    vertical: Y,
    series: &[Series],
) -> Drawn<'a>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(title, TITLE)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(horizontal, vertical)?;
    chart
        .configure_mesh()
        .label_style(FONT)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for ((who, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
        let style = *colour;
        chart
            .draw_series(line)?
            .label(who)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style.stroke_width(2)));
        let dots = points
            .iter()
            .map(|point| Circle::new(*point, 3, style.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .label_font(FONT)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.4))
        .position(SeriesLabelPosition::UpperLeft)
        .draw()
}

/// A number with as many digits as matter.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::Outcome;
    use crate::bench::suites;

    /// What a section comes to in which everybody has the same figure.
    fn drawn(suite: &str, section: usize, value: f64) -> Vec<(String, String)> {
        let section = &suites::named(suite).unwrap().sections[section];
        let mut figures = Vec::new();
        for row in &section.rows {
            figures.extend(row.parts.iter().map(|part| Figures {
                row: row.clone(),
                part,
                count: 1,
                outcomes: vec![Outcome::Times(vec![value]); section.contestants.len()],
            }));
        }
        pictures(section, &figures)
    }

    #[test]
    fn every_workload_gets_bars() {
        let rows = suites::named("peers").unwrap().sections[0].rows.len();
        let drawn = drawn("peers", 0, 12.5);
        assert_eq!(drawn.len(), rows);
        let (title, picture) = &drawn[0];
        assert_eq!(title, "yield");
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        for text in ["gorge, homed, P=1", "may, P=2", "12.5"] {
            assert!(picture.contains(text), "{text}");
        }
    }

    #[test]
    fn what_grows_gets_a_line_for_each_contestant() {
        let titles = |suite, section| {
            let drawn = drawn(suite, section, 3.0).into_iter();
            drawn.map(|(title, _)| title).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(titles("scaling", 0), "pairs; spawn; sleepers, CPU");
        assert_eq!(titles("scaling", 3), "select");
        assert_eq!(titles("latency", 1), "timer, p50; timer, p99; timer, p99.9");
        assert!(titles("scaling", 1).starts_with("pairs_128 by workers; "));
        let picture = &drawn("scaling", 1, 3.0)[0].1;
        assert!(picture.contains("gorge, migrating") && !picture.contains("P=8"));
    }

    #[test]
    fn bars_that_are_far_longer_are_cut_off() {
        let values = [("gorge".to_owned(), 1.0), ("other".to_owned(), 1000.0)];
        let picture = bars("row", &values).unwrap();
        assert!(picture.contains("1000 →"), "{picture}");
        assert_eq!(bars("row", &[]), None);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.25, 12.0, 12.34, 123.4, 12_345.0, 1_234_567.0].map(short);
        assert_eq!(numbers, ["0.2", "12", "12.3", "123", "12 k", "1.2 M"]);
    }
}
