//! `cargo xtask bench engines`: runs the benchmark of `bench/`, where other engines answer the questions that claviger-authz
//! answers, and prints the medians as a table.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::run::{Failure, Result, cargo, root, succeed};

/// As the benchmark names them; the first is ours.
const ENGINES: [&str; 3] = ["claviger-authz", "cedar", "casbin"];

/// Nanoseconds at the median, for each of [`ENGINES`].
type Medians = [f64; ENGINES.len()];

/// Measures and prints the table.
///
/// # Errors
/// The benchmark fails, which it also does where the engines disagree, or leaves no results.
pub(crate) fn run() -> Result<()> {
    let results = root().join("bench").join("target").join("criterion");
    // So that no row is left of a question that is asked no more.
    if results.exists() {
        std::fs::remove_dir_all(&results).map_err(|error| Failure::file(&results, &error))?;
    }
    let mut command =
        cargo(["bench", "--locked", "--manifest-path", "bench/Cargo.toml", "--bench", "engines"]);
    succeed(command.env("CRITERION_HOME", &results))?;
    print!("\n{}", table(&read(&results)?));
    Ok(())
}

/// The medians of each question, in the order of the number of endpoints and of the questions' names.
fn read(results: &Path) -> Result<Vec<(String, Medians)>> {
    let failed = |error| Failure::file(results, &error);
    let mut rows = Vec::new();
    for entry in std::fs::read_dir(results).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let question = entry.file_name().to_string_lossy().into_owned();
        if question == "report" {
            continue;
        }
        let mut medians = [0.0; ENGINES.len()];
        for (engine, median) in ENGINES.iter().zip(&mut medians) {
            let file = entry.path().join(engine).join("new").join("estimates.json");
            let text = std::fs::read_to_string(&file).map_err(|error| Failure::file(&file, &error))?;
            *median = point_estimate(&text)
                .ok_or_else(|| Failure::new(format!("{}: no median", file.display())))?;
        }
        rows.push((question, medians));
    }
    rows.sort_by_key(|(question, _)| (leading_number(question), question.clone()));
    Ok(rows)
}

fn point_estimate(text: &str) -> Option<f64> {
    let estimates: Value = serde_json::from_str(text).ok()?;
    estimates.get("median")?.get("point_estimate")?.as_f64()
}

fn leading_number(text: &str) -> u32 {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}

/// A Markdown table: nanoseconds, and behind those of the others how many times ours they are.
fn table(rows: &[(String, Medians)]) -> String {
    let mut table = format!("| median, ns | {} |\n", ENGINES.join(" | "));
    table.push_str(&format!("| --- |{}\n", " ---: |".repeat(ENGINES.len())));
    for (question, [ours, others @ ..]) in rows {
        // Writing to a string does not fail.
        let _ = write!(table, "| {question} | {ours:.0} |");
        for other in others {
            let _ = write!(table, " {other:.0} (× {:.0}) |", other / ours);
        }
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_ratios() {
        let rows = [("5 endpoints, allowed".to_owned(), [50.2, 5_020.0, 10_100.0])];
        assert_eq!(
            table(&rows),
            "| median, ns | claviger-authz | cedar | casbin |\n| --- | ---: | ---: | ---: |\n\
             | 5 endpoints, allowed | 50 | 5020 (× 100) | 10100 (× 201) |\n"
        );
    }

    #[test]
    fn medians_are_read_in_order() {
        let directory = std::env::temp_dir().join(format!("claviger-xtask-bench-{}", std::process::id()));
        for (question, median) in
            [("100 endpoints, a", 3.0), ("5 endpoints, b", 2.0), ("5 endpoints, a", 1.0)]
        {
            for engine in ENGINES {
                let place = directory.join(question).join(engine).join("new");
                std::fs::create_dir_all(&place).unwrap();
                let text =
                    format!(r#"{{"mean":{{"point_estimate":9.5}},"median":{{"point_estimate":{median}}}}}"#);
                std::fs::write(place.join("estimates.json"), text).unwrap();
            }
        }
        std::fs::create_dir_all(directory.join("report")).unwrap();
        let rows = read(&directory);
        std::fs::write(directory.join("5 endpoints, a").join("cedar/new/estimates.json"), "{}").unwrap();
        let broken = read(&directory);
        std::fs::remove_dir_all(&directory).unwrap();
        let names: Vec<_> = rows.unwrap().into_iter().map(|(name, medians)| (name, medians[0])).collect();
        let expected = [("5 endpoints, a", 1.0), ("5 endpoints, b", 2.0), ("100 endpoints, a", 3.0)];
        assert_eq!(names, expected.map(|(name, median)| (name.to_owned(), median)));
        assert!(broken.is_err());
    }
}
