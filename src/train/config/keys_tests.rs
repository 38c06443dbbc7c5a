use super::*;

#[test]
fn every_key_is_in_the_table_and_no_other() {
    for key in KEYS {
        let default = default(key).unwrap_or_else(|| panic!("{} is no key of the configuration", key.name));
        assert!(key.kind.read(&default).is_some(), "{} = {default}", key.name);
        assert_eq!(find(&key.name.to_uppercase()).map(|found| found.name), Some(key.name));
        assert_eq!(find(key.flag).map(|found| found.name), Some(key.name), "two keys are called {}", key.flag);
    }
    let table: toml::Table = crate::train::Config::default().to_toml().unwrap().parse().unwrap();
    let known = |name: &str| KEYS.iter().any(|key| key.name == name);
    for (name, value) in &table {
        match value {
            Value::Table(inner) => inner.keys().for_each(|part| assert!(known(&format!("{name}.{part}")), "{name}")),
            _ => assert!(known(name), "{name}"),
        }
    }
    for name in ["method", "distribution", "augment", "storage", "lr_schedule.kind", "prune_rate.decay"] {
        let Kind::OneOf(names) = find(name).unwrap().kind else { panic!("{name}") };
        for value in names {
            let mut layers = crate::train::config_builder::ConfigBuilder::default();
            layers.assign(&format!("{name}={}", value.to_uppercase())).unwrap();
            layers.finish().unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
        }
    }
}

/// Names of before mean what they meant, wherever a name may stand.
#[test]
fn former_names_keep_working() {
    for (old, new) in [
        ("death_rate", "prune_rate.initial"),
        ("death_rate.initial", "prune_rate.initial"),
        ("Death-Rate-Min", "prune_rate.min"),
        ("death_rate.decay", "prune_rate.decay"),
        ("death_rate.stop_at", "prune_rate.stop_at"),
        ("multiplier", "epoch_multiplier"),
    ] {
        assert_eq!(find(old).map(|key| key.name), Some(new), "{old}");
    }
    assert!(is_group("death_rate") && find("multipliers").is_none());
    let flags = KEYS.iter().filter_map(former_flag).collect::<Vec<_>>();
    let wanted = ["multiplier", "death-rate", "death-rate-min", "death-rate-decay", "death-rate-stop-at"];
    assert_eq!(flags, wanted);
    let text = "multiplier = 3\n[death_rate]\ninitial = 0.3\nstop_at = 0.75\n";
    let of = |text: &str| {
        let mut layers = crate::train::config_builder::ConfigBuilder::default();
        layers.text("config.toml", text).unwrap();
        layers.finish().unwrap()
    };
    let config = of(text);
    assert_eq!((config.epoch_multiplier, config.prune_rate.initial, config.prune_rate.stop_at), (3, 0.3, 0.75));
    assert_eq!(config, of("epoch_multiplier = 3\n[prune_rate]\ninitial = 0.3\nstop_at = 0.75\n"));
    // As a sweep's plan has it, which is read without the table of keys.
    let json = serde_json::to_string(&config).unwrap();
    let old = json.replace("prune_rate", "death_rate").replace("epoch_multiplier", "multiplier");
    assert_eq!(serde_json::from_str::<Config>(&old).unwrap(), config);
}

#[test]
fn near_names_are_known() {
    for (name, near) in [("learningrate", None), ("deltat", Some("delta_t")), ("epochz", Some("epochs"))] {
        let names = KEYS.iter().map(|key| key.name);
        assert_eq!(nearest(name, names), near, "{name}");
    }
    assert_eq!(nearest("resnet50x", model::NAMES.iter().copied()), Some("resnet50"));
    assert_eq!(nearest("colour", KEYS.iter().map(|key| key.name)), None);
}

/// The documentation has the table as it is.
#[test]
fn every_key_is_documented() {
    let doc = include_str!("../../../docs/configuration.md");
    assert!(doc.contains(&markdown()), "docs/configuration.md must have this table:\n{}", markdown());
}
