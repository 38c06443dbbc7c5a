//! The notes of a resumed run: which values changed, and what this does to its schedules.

use crate::train::{Config, Trainer, keys};
use crate::words::short;

/// Lines about going on from where `trainer` stands, by its own configuration instead of `before`; none if that is the same.
pub(in crate::train) fn notes(before: &Config, trainer: &Trainer) -> Vec<String> {
    let (run_plan, step) = (trainer.run_plan, trainer.progress.step);
    let after = &run_plan.config;
    let changes = changes(before, after);
    if changes.is_empty() {
        return Vec::new();
    }
    let mut notes = vec![format!("from here on: {}", changes.join(", "))];
    let (epochs, per_epoch) = (after.total_epochs(), run_plan.steps_per_epoch());
    if step >= run_plan.total_steps() {
        return notes;
    }
    let rate = |config: &Config| config.lr_schedule.at(config.lr, step, config.length(per_epoch));
    let lengthened = before.total_epochs() != epochs;
    let mut jumps = Vec::new();
    // A run that is over has no next step by its old schedules: its last one counts.
    let last = |config: &Config| step.min((config.total_epochs() * per_epoch).saturating_sub(1));
    let old_rate = before.lr_schedule.at(before.lr, last(before), before.length(per_epoch));
    if changed(old_rate, rate(after)) {
        jumps.push(format!("the learning rate from {} to {}", short(old_rate), short(rate(after))));
    }
    if after.growth().is_some() {
        let prune = |config: &Config| config.prune_rate.at(last(config), config.total_epochs() * per_epoch);
        if changed(prune(before), prune(after)) {
            jumps.push(format!("the prune rate from {} to {}", short(prune(before)), short(prune(after))));
        }
    }
    if !jumps.is_empty() {
        let why = if lengthened { "schedules stretch over the new length: " } else { "" };
        notes.push(format!("{why}{} at the next step", jumps.join(", and ")));
    }
    notes
}

/// `key = new (was old)` of every key whose value differs.
fn changes(before: &Config, after: &Config) -> Vec<String> {
    let change = |(key, new): (&'static keys::Key, toml::Value)| {
        let was = keys::value(before, key).map_or_else(String::new, |old| format!(" (was {old})"));
        format!("{} = {new}{was}", key.name)
    };
    keys::differences(before, after).into_iter().map(change).collect()
}

fn changed(before: f64, after: f64) -> bool {
    (before - after).abs() > 1e-6 * before.abs().max(after.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_named_by_its_key() {
        let before = Config::default();
        let mut after = Config { epochs: 5, ..before.clone() };
        after.prune_rate.initial = 0.3;
        assert_eq!(changes(&before, &after), ["epochs = 5 (was 250)", "prune_rate.initial = 0.3 (was 0.5)"]);
        assert!(changes(&before, &before).is_empty());
    }
}
