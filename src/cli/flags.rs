//! Flags for the keys of the configuration, made from their table ([`crate::train::keys`]).

use std::ffi::OsString;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::ops::Storage;
use crate::sparsity::{Method, Structure};
use crate::train::config_builder::ConfigBuilder;
use crate::train::keys::{self, KEYS, Key};
use crate::train::kinds::Kind;

/// Which keys a subcommand has.
pub trait Choice {
    fn has(key: &Key) -> bool;
}

/// All of them: the subcommand describes a run.
pub struct All;

impl Choice for All {
    fn has(_: &Key) -> bool {
        true
    }
}

/// What was given of the keys that `C` chooses.
pub struct KeyFlags<C> {
    given: Vec<(&'static Key, String)>,
    chosen: PhantomData<C>,
}

impl<C> KeyFlags<C> {
    /// Whether a flag of `name` was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(key, _)| key.name == name)
    }

    /// Whether the value of `name` is a question: `--method help`.
    pub fn asks(&self, name: &str) -> bool {
        self.given.iter().any(|(key, value)| key.name == name && value.eq_ignore_ascii_case("help"))
    }

    /// Lays what was given on top of `layers`.
    pub fn lay(&self, layers: &mut ConfigBuilder) {
        for (key, text) in &self.given {
            layers.set(key.name, key.kind.text(text));
        }
    }
}

impl<C: Choice> FromArgMatches for KeyFlags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let chosen = KEYS.iter().filter(|key| C::has(key));
        let given = chosen.filter_map(|key| Some((key, matches.get_one::<String>(key.name)?.clone()))).collect();
        Ok(Self { given, chosen: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<C: Choice> Args for KeyFlags<C> {
    fn augment_args(command: Command) -> Command {
        let flag = |key: &'static Key| {
            Arg::new(key.name)
                .long(key.flag)
                .aliases(keys::former_flag(key))
                .value_name(key.kind.placeholder())
                .help(help(key))
                .long_help(long_help(key))
                .action(ArgAction::Set)
                .allow_hyphen_values(matches!(key.kind, Kind::Whole(..) | Kind::Number(_) | Kind::Share(_)))
                .hide_short_help(key.name.contains('.') && !key.leads())
                .help_heading("Configuration")
        };
        command.args(KEYS.iter().filter(|key| C::has(key)).map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// What a key is and takes.
fn help(key: &Key) -> String {
    let mut chars = key.help.chars();
    let first = chars.next().map_or(String::new(), |first| first.to_uppercase().collect());
    let of = key.of.map_or(String::new(), |schedule| format!("For {schedule}: "));
    let words = match key.kind {
        // The text names them.
        Kind::Data => String::new(),
        kind => format!(" [{}]", kind.words()),
    };
    let text = if key.of.is_some() { key.help.to_string() } else { format!("{first}{}", chars.as_str()) };
    format!("{of}{text}{words}")
}

/// The same with a line on each method.
fn long_help(key: &Key) -> String {
    let methods = Method::ALL.iter().filter(|_| key.name == "method");
    let lines = methods.map(|method| format!("\n- {}: {}", method.name, method.about));
    std::iter::once(help(key)).chain(lines).collect()
}

/// The words of a command line with the names of flags as this program writes them: `--Delta_T` is `--delta-t`.
pub fn spelled(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut free = false;
    let spell = |word: OsString| {
        free |= word == "--";
        match word.to_str().and_then(|word| word.strip_prefix("--")) {
            Some(flag) if !free => {
                let (name, value) = flag.find('=').map_or((flag, ""), |at| flag.split_at(at));
                format!("--{}{value}", name.to_lowercase().replace(['_', '.'], "-")).into()
            }
            _ => word,
        }
    };
    words.map(spell).collect()
}

/// The error of a command line in words that a user knows: a whole number is called so; an unknown flag's tip that leads astray is
/// left out, and the one by another name of a key is put in.
pub fn mended(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let text = |kind, error: &clap::Error| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    if error.kind() == ErrorKind::ValueValidation
        && std::error::Error::source(&error).is_some_and(|source| source.is::<std::num::ParseIntError>())
    {
        let part = |kind| text(kind, &error).unwrap_or_default();
        let (value, flag) = (part(ContextKind::InvalidValue), part(ContextKind::InvalidArg));
        let message = format!("invalid value '{value}' for '{flag}': must be a whole number, and not too large\n");
        return clap::Error::raw(ErrorKind::ValueValidation, message);
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let (Some(wrong), tip) = (text(ContextKind::InvalidArg, &error), text(ContextKind::SuggestedArg, &error))
    {
        let name = wrong.trim_start_matches('-').to_string();
        if let Some(key) = keys::find(&name).filter(|key| key.flag == name) {
            let message = format!(
                "{wrong} is no flag of this command: `itop train` takes it, and a file or a sweep's specification as `{}`\n",
                key.name
            );
            return clap::Error::raw(ErrorKind::UnknownArgument, message);
        }
        if let Some(key) = keys::find(&name) {
            error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{}", key.flag)));
        } else if tip.is_some_and(|tip| keys::nearest(&name, [tip.as_str()]).is_none()) {
            error.remove(ContextKind::SuggestedArg);
        }
    }
    error
}

/// A value parser with the bounds and the words of `kind`, for flags that hold several values or have a default of their own.
fn parser<T: Clone + Send + Sync + 'static>(
    kind: Kind,
    convert: fn(toml::Value) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    clap::builder::StringValueParser::new().try_map(move |text| {
        let value = kind.text(&text);
        kind.read(&value).and_then(convert).ok_or_else(|| kind.refusal(&value))
    })
}

fn as_whole(value: toml::Value) -> Option<usize> {
    usize::try_from(value.as_integer()?).ok()
}

/// Of a key that takes a whole number.
pub fn whole(key: &'static str) -> impl TypedValueParser<Value = usize> {
    parser(keys::kind(key), as_whole)
}

/// Of a number from 1 to `most`.
pub fn count(most: u64) -> impl TypedValueParser<Value = usize> {
    parser(Kind::Whole(1, most), as_whole)
}

/// Of a key that takes a number or a share.
pub fn number(key: &'static str) -> impl TypedValueParser<Value = f64> {
    parser(keys::kind(key), |value| value.as_float())
}

/// Of a key that takes one of some names.
pub fn name(key: &'static str) -> impl TypedValueParser<Value = String> {
    parser(keys::kind(key), |value| value.as_str().map(str::to_string))
}

/// Of `storage`.
pub fn storage() -> impl TypedValueParser<Value = Storage> {
    parser(keys::kind("storage"), |value| value.as_str()?.parse().ok())
}

/// Of `structure`.
pub fn structure() -> impl TypedValueParser<Value = Structure> {
    parser(keys::kind("structure"), |value| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    /// Every option of every subcommand says what it is.
    #[test]
    fn every_option_has_a_help_text() {
        fn walk(command: &Command, path: &str, silent: &mut Vec<String>) {
            let path = format!("{path} {}", command.get_name());
            if command.get_about().is_none() {
                silent.push(path.clone());
            }
            for arg in command.get_arguments() {
                let help = arg.get_help().or(arg.get_long_help()).map(ToString::to_string).unwrap_or_default();
                if help.trim().len() < 5 {
                    silent.push(format!("{path}: {}", arg.get_id()));
                }
            }
            for sub in command.get_subcommands() {
                walk(sub, &path, silent);
            }
        }
        let mut silent = Vec::new();
        walk(&Cli::command(), "", &mut silent);
        assert!(silent.is_empty(), "without a help text: {silent:#?}");
        Cli::command().debug_assert();
    }

    /// Names among which one is chosen are taken in any case.
    #[test]
    fn values_are_taken_in_any_case() {
        fn walk(command: &Command, wrong: &mut Vec<String>) {
            let of_names = |arg: &&Arg| arg.get_action().takes_values() && !arg.get_possible_values().is_empty();
            let strict = command.get_arguments().filter(of_names).filter(|arg| !arg.is_ignore_case_set());
            wrong.extend(strict.map(|arg| format!("{} {}", command.get_name(), arg.get_id())));
            command.get_subcommands().for_each(|sub| walk(sub, wrong));
        }
        let mut wrong = Vec::new();
        walk(&Cli::command(), &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        for words in [
            &["train", "--limits", "WebGPU", "--storage", "F16", "--adapter", "VULKAN"][..],
            &["shaders", "--target", "MSL"],
            &["verify", "--short", "BF16"],
            &["data", "fetch", "CIFAR10"],
            &["bench", "step", "--method", "RigL", "--storage", "F32,BF16"],
            &["sweep", "submit", "x", "--engine", "Slurm"],
        ] {
            assert!(Cli::try_parse_from([&["itop"], words].concat()).is_ok(), "{words:?}");
        }
    }

    /// Every key is a flag of `itop train`.
    #[test]
    fn every_key_is_a_flag() {
        for key in KEYS {
            assert!(Cli::try_parse_from(["itop", "train", &format!("--{}", key.flag), "1"]).is_ok(), "{}", key.flag);
        }
    }

    #[test]
    fn flags_are_taken_as_people_spell_them() {
        let words = ["itop", "--Delta_T=5", "--lr_schedule.milestones", "--", "--As_It_Is", "A_b"].map(OsString::from);
        let spelled = spelled(words.into_iter());
        assert_eq!(spelled, ["itop", "--delta-t=5", "--lr-schedule-milestones", "--", "--As_It_Is", "A_b"]);
    }

    #[test]
    fn tips_do_not_lead_astray() {
        let message = |words: &[&str]| match Cli::try_parse_from([&["itop"], words].concat()) {
            Ok(_) => panic!("{words:?}"),
            Err(error) => mended(error).to_string(),
        };
        assert!(message(&["train", "--learning-rate", "0.1"]).contains("'--lr'"));
        assert!(message(&["train", "--epoch", "3"]).contains("'--epochs'"));
        assert!(message(&["train", "--gpu-memory", "1.5"]).contains("'--gpu-memory <MIB>': must be a whole number"));
        assert!(message(&["sweep", "run", "x", "--row", "x"]).contains("must be a whole number"));
        let elsewhere = message(&["sweep", "plan", "spec.toml", "--out", "x", "--validation", "0.2"]);
        assert!(elsewhere.contains("--validation is no flag of this command") && elsewhere.contains("as `validation`"));
        let valueless = message(&["train", "--nesterov"]);
        assert!(valueless.contains("value") && !valueless.contains("no flag"), "{valueless}");
        let density = message(&["train", "--density", "0.1"]);
        assert!(!density.contains("similar"), "{density}");
    }
}
