//! Names of keys and values for people: in tables, charts and sentences.

use serde_json::{Map, Value};

use crate::train::{Config, Method, keys};

/// What tables show first; other keys follow in alphabetical order.
const FIRST: [&str; 7] = ["method", "model", "data", "sparsity", "distribution", "structure", "delta_t"];

/// Keys in the order in which tables show them.
pub fn sort(keys: &mut [String]) {
    let place = |key: &String| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len());
    keys.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
}

/// The keys of a recipe, in the order in which a reader asks for them.
pub const RECIPE: [&str; 17] = [
    "model",
    "data",
    "method",
    "sparsity",
    "distribution",
    "structure",
    "delta_t",
    "prune_rate.initial",
    "epochs",
    "batch_size",
    "lr",
    "lr_schedule.kind",
    "momentum",
    "weight_decay",
    "label_smoothing",
    "augment",
    "storage",
];

/// The name of a key: `ΔT` for `delta_t`.
pub fn key(key: &str) -> String {
    match key {
        "delta_t" => "ΔT".into(),
        "lr" => "learning rate".into(),
        "prune_rate.initial" => "prune rate".into(),
        "prune_rate.min" => "last prune rate".into(),
        "prune_rate.stop_at" => "updates until".into(),
        "lr_schedule.kind" => "schedule".into(),
        "shrink.initial_sparsity" => "first sparsity".into(),
        "shrink.start_at" => "shrinks from".into(),
        "shrink.stop_at" => "shrinks until".into(),
        "validation" => "held out".into(),
        "test" => "test share".into(),
        "epoch_multiplier" => "length".into(),
        key => key.replace(['_', '.'], " ").replace("lr schedule", "schedule"),
    }
}

/// Whether values of `key` are shares that are shown in per cent.
pub fn in_percent(key: &str) -> bool {
    let shares = ["sparsity", "validation", "test", "prune_rate.stop_at"];
    shares.contains(&key) || key.starts_with("shrink.")
}

/// A value of `key`, without a unit: `SET` for the method `set`, `95` for a sparsity of 0.95.
pub fn value(key: &str, value: &Value) -> String {
    match (key, value) {
        ("method", Value::String(name)) => method(name),
        ("model", Value::String(name)) => model(&crate::model::name_of(name)),
        ("data", Value::String(path)) => data(path),
        (key, value) if in_percent(key) => value.as_f64().map_or_else(|| value.to_string(), percent),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// 0.95 as `95`, 0.995 as `99.5`.
fn percent(share: f64) -> String {
    // A ten-millionth of a per cent is what f64 adds.
    format!("{}", (100.0 * share * 1e7).round() / 1e7)
}

fn method(name: &str) -> String {
    Method::named(name).map_or(name, |method| method.title).into()
}

/// `ResNet-34`, `WRN-28-10`, `VGG-C`, `MLP`; others as they are.
fn model(name: &str) -> String {
    for (prefix, title) in [("resnet", "ResNet-"), ("wrn-", "WRN-"), ("lenet", "LeNet-")] {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{title}{}", rest.replace("-imagenet", " (ImageNet)"));
        }
    }
    match name {
        "vgg19" => "VGG-19".into(),
        "vgg_c" => "VGG-C".into(),
        "vgg_d" => "VGG-D".into(),
        "vgg_like" => "VGG-like".into(),
        "mlp_cifar10" => "MLP".into(),
        name => name.into(),
    }
}

/// `CIFAR-10` for `cifar10`, the last name of a path.
fn data(spec: &str) -> String {
    match spec {
        "cifar10" => "CIFAR-10".into(),
        "cifar100" => "CIFAR-100".into(),
        spec => {
            let path = std::path::Path::new(spec);
            path.file_name().map_or_else(|| spec.into(), |name| name.to_string_lossy().into_owned())
        }
    }
}

/// A value of `key` with its name or its unit, as a part of a sentence or a legend: `SET`, `ΔT 5`, `sparsity 95 %`.
pub fn assignment(name: &str, of: &Value) -> String {
    let text = value(name, of);
    match name {
        "method" | "model" | "data" => text,
        name if in_percent(name) => format!("{} {text} %", key(name)),
        "epochs" if text == "1" => "1 epoch".into(),
        "epochs" => format!("{text} epochs"),
        name => format!("{} {text}", key(name)),
    }
}

/// A setting: `SET ΔT 5, sparsity 95 %`.
pub fn setting(varied: &Map<String, Value>) -> String {
    let mut keys: Vec<String> = varied.keys().filter(|key| *key != "seed").cloned().collect();
    sort(&mut keys);
    // The method and its ΔT are one name.
    let own = |key: &&String| ["method", "delta_t"].contains(&key.as_str());
    let text = |key: &String| assignment(key, &varied[key]);
    let method: Vec<String> = keys.iter().filter(own).map(text).collect();
    let method = (!method.is_empty()).then(|| method.join(" "));
    let parts: Vec<String> = method.into_iter().chain(keys.iter().filter(|key| !own(key)).map(text)).collect();
    if parts.is_empty() { "the base".into() } else { parts.join(", ") }
}

/// What `configs` have in common, of `keys` that have an effect: `ResNet-8 on flowers, sparsity 95 %, batch size 64`. A key
/// without effect on some of them is common if the others agree.
pub fn common(configs: &[&Config], keys: &[&str]) -> String {
    let shared = |name: &str| {
        let counting = configs.iter().filter(|config| config.has_effect(name));
        let mut values = counting.filter_map(|config| value_of(config, name));
        let first = values.next()?;
        values.all(|other| other == first).then(|| assignment(name, &first))
    };
    let place = match (shared("model"), shared("data")) {
        (Some(model), Some(data)) => Some(format!("{model} on {data}")),
        (model, data) => model.or(data),
    };
    let rest = keys.iter().filter(|key| !["model", "data"].contains(key)).filter_map(|key| shared(key));
    place.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
}

/// The value of `key` (dotted where nested).
pub fn value_of(config: &Config, key: &str) -> Option<Value> {
    serde_json::to_value(keys::value(config, keys::find(key)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_as_papers_name_them() {
        let varied = |json: serde_json::Value| json.as_object().unwrap().clone();
        let all = varied(serde_json::json!({"seed": 3, "delta_t": 5, "sparsity": 0.95, "method": "set", "lr": 0.1}));
        assert_eq!(setting(&all), "SET ΔT 5, sparsity 95 %, learning rate 0.1");
        let own = varied(serde_json::json!({"model": "resnet34", "data": "../my data/flowers"}));
        assert_eq!(setting(&own), "ResNet-34, flowers");
        assert_eq!(setting(&varied(serde_json::json!({"seed": 3}))), "the base");
        for (share, text) in [(0.9, "90"), (0.995, "99.5"), (0.98, "98"), (0.5, "50")] {
            assert_eq!(value("sparsity", &share.into()), text);
        }
        assert_eq!(value("method", &"rigl".into()), "RigL");
        assert_eq!(key("weight_decay"), "weight decay");
    }

    #[test]
    fn what_differs_is_not_common() {
        let base = Config { model: "resnet8".into(), data: "a/flowers".into(), sparsity: 0.95, ..Config::default() };
        let of = |configs: &[Config]| {
            let configs: Vec<&Config> = configs.iter().collect();
            common(&configs, &["model", "data", "method", "sparsity", "delta_t", "lr", "lr_schedule.kind"])
        };
        let set = Config { method: Method::SET, ..base.clone() };
        let fixed = Config { method: Method::STATIC, delta_t: 7, ..base.clone() };
        let words = "ResNet-8 on flowers, sparsity 95 %, ΔT 100, learning rate 0.1, schedule multi-step";
        assert_eq!(of(&[set.clone(), fixed]), words, "ΔT means nothing to static training");
        let other = Config { data: "b".into(), lr: 0.2, delta_t: 9, ..set.clone() };
        assert_eq!(of(&[set, other]), "ResNet-8, SET, sparsity 95 %, schedule multi-step");
    }

    /// Every key of a configuration has a name of its own.
    #[test]
    fn no_two_keys_have_one_name() {
        let table = toml::Table::try_from(Config::default()).unwrap();
        let mut names = Vec::new();
        for (outer, value) in &table {
            match value {
                toml::Value::Table(inner) => names.extend(inner.keys().map(|inner| key(&format!("{outer}.{inner}")))),
                _ => names.push(key(outer)),
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
        assert!(names.iter().all(|name| !name.contains(['_', '.'])), "{names:?}");
    }
}
