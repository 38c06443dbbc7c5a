//! Rows on one data set must have seen the same images, because their results are compared.

use std::path::PathBuf;

use super::plan::PlannedRow;
use super::{State, Sweep};
use crate::data::Record;
use crate::train::Config;
use crate::train::run_folder::RunFolder;

impl Sweep {
    /// The run folder of another row that was begun on the data of `row`.
    pub fn with_same_data(&self, row: &PlannedRow) -> Option<PathBuf> {
        let others = self.rows.iter().filter(|other| other.row != row.row);
        let alike = others.filter(|other| other.config.shares_data(&row.config));
        alike.map(|other| self.run(other.row)).find(|run| matches!(RunFolder::read_data(run), Ok(Some(_))))
    }

    /// What sets the data of two rows apart that are done and should have seen the same images.
    pub fn mixed_data(&self) -> Option<String> {
        let mut known: Vec<(&Config, usize, Record)> = Vec::new();
        for row in self.rows.iter().filter(|row| matches!(self.result(row.row), State::Done(_))) {
            // Rows of an older version kept nothing.
            let Ok(Some(record)) = RunFolder::read_data(&self.run(row.row)) else { continue };
            match known.iter().find(|(config, ..)| config.shares_data(&row.config)) {
                None => known.push((&row.config, row.row, record)),
                Some((_, first, before)) => {
                    let differences = before.image_differences(&record);
                    if !differences.is_empty() {
                        let (number, what) = (row.row, differences.join("; "));
                        return Some(format!("rows {first} and {number} were not trained on the same data: {what}"));
                    }
                }
            }
        }
        None
    }
}
