//! Specifications: what they expand to, and what is refused.

use super::*;

fn error(text: &str) -> String {
    match rows("spec.toml", text) {
        Ok(specified) => panic!("{text} gave {} rows", specified.rows.len()),
        Err(error) => error.to_string(),
    }
}

/// The specifications in `docs/sweeps.md` are some.
#[test]
fn the_documented_specifications() {
    let doc = include_str!("../../docs/sweeps.md");
    let texts = doc.split("```toml").skip(1).filter_map(|rest| rest.split("```").next());
    let counts: Vec<usize> = texts.map(|text| rows("docs/sweeps.md", text).unwrap().rows.len()).collect();
    assert_eq!(counts, [6, 2 * 10 * 6]);
}

#[test]
fn rows_are_the_product_of_list_draws_and_grid() {
    let text = "
        [base]
        preset = 'quick'
        epochs = 2
        [grid]
        prune_rate.initial = [0.3, 0.5]
        seed = [1, 2, 3]
        [[list]]
        method = 'set'
        delta_t = 10
        [[list]]
        method = 'static'
        [random]
        count = 2
        [random.keys]
        lr = { log-uniform = [0.01, 1.0] }
        batch_size = { choice = [32, 64] }
        lr_schedule.pct_start = { uniform = [0.1, 0.4] }
    ";
    let rows = rows("spec.toml", text).unwrap().rows;
    // SET: 2 draws × 2 prune rates × 3 seeds; a prune rate means nothing to static training.
    assert_eq!(rows.len(), 12 + 6);
    let seeds: Vec<u64> = rows.iter().take(4).map(|row| row.config.seed).collect();
    assert_eq!(seeds, [1, 2, 3, 1]);
    assert_eq!((rows[0].config.prune_rate.initial, rows[3].config.prune_rate.initial), (0.3, 0.5));
    assert_eq!((rows[0].config.method.name, rows[17].config.method.name), ("set", "static"));
    assert_eq!((rows[0].config.delta_t, rows[17].config.delta_t, rows[0].config.epochs), (10, 25, 2));
    assert_ne!(rows[0].config.lr, rows[6].config.lr, "another draw");
    assert_eq!(rows[0].config.lr, rows[12].config.lr, "the same draws for every row of the list");
    assert_eq!(rows, super::rows("spec.toml", text).unwrap().rows, "draws repeat");
}

#[test]
fn mistakes_are_named() {
    for (text, words) in [
        ("[gird]\nseed = [1]", "unknown field `gird`"),
        ("[grid]\ndelta_t = 10", "`delta_t` = 10 must be a list"),
        ("[grid]\ndelta_t = []", "must be a list"),
        ("[grid]\ndelta_t = [10, 0]", "row 2 (delta_t = 0): `delta_t` = 0 must be"),
        ("[grid]\ncolour = ['red']", "unknown key `colour`"),
        ("[grid]\nprune_rate.initial = [0.5, 1.5]", "row 2 (prune_rate.initial = 1.5)"),
        ("[[list]]\nmethod = 'riggle'", "row 1 (method = \"riggle\")"),
        ("[base]\nepochz = 3", "epochz"),
        ("base = 'slow'", "no preset `slow`"),
        ("[base]\npreset = 3", "`preset` must be"),
        ("[grid]\nseed = [1, 1]", "rows 1 and 2 are the same run"),
        ("[grid]\nseed = [1]\n[[list]]\nseed = 2", "`seed` is set in [grid] and in [list]"),
        ("[random]\ncount = 0\nkeys.lr = { uniform = [0, 1] }", "`count` = 0"),
        ("[random]\ncount = 1\nkeys.lr = 3", "`lr` must be { uniform"),
        ("[random]\ncount = 1\nkeys.lr = { uniform = [1, 0] }", "LOW < HIGH"),
        ("[random]\ncount = 1\nkeys.lr = { log-uniform = [0, 1] }", "0 < LOW"),
        ("[random]\ncount = 1\nkeys.lr = { uniforn = [0, 1] }", "`lr.uniforn` must be"),
        ("[random]\ncount = 1\nkeys.lr = { choice = [] }", "choice takes"),
        ("[grid]\nseed = [1]\n[baseline]\nmethod = 'dense'", "[baseline]: no row has method = \"dense\""),
        ("[grid]\nseed = [1]\n[baseline]\nmethud = 'dense'", "methud"),
        ("[grid]\nseed = [1]\n[baseline]\nseed = 1", "`seed` is no setting"),
        ("[baseline]", "it names no key"),
        ("baseline = 'static'", "baseline"),
        ("not toml", "spec.toml"),
    ] {
        let message = error(text);
        assert!(message.contains(words), "{text}: {message}");
    }
    let many: Vec<String> = (0..400).map(|i| i.to_string()).collect();
    let many = many.join(",");
    assert!(error(&format!("[grid]\nseed = [{many}]\nepochs = [{many}]")).contains("more than 10000 rows"));
}

fn labels(text: &str) -> (Vec<String>, Vec<String>) {
    let specified = rows("spec.toml", text).unwrap();
    (specified.rows.iter().map(|row| label(pairs(&row.varied))).collect(), specified.merged)
}

/// Keys that mean nothing to a row do not multiply it.
#[test]
fn rows_that_only_repeat_another_are_one() {
    let text = "base = 'quick'\n[grid]\nmethod = ['set', 'static', 'dense']\ndelta_t = [5, 20]\nsparsity = [0.9, 0.95]\n\
        prune_rate.initial = [0.3, 0.5]\nseed = [1, 2]";
    let (labels, merged) = labels(text);
    let of = |method: &str| labels.iter().filter(|label| label.contains(method)).collect::<Vec<_>>();
    assert_eq!((of("set").len(), of("static").len(), of("dense").len()), (16, 4, 2));
    assert_eq!(of("dense"), ["method = \"dense\", seed = 1", "method = \"dense\", seed = 2"]);
    assert!(of("static").iter().all(|label| !label.contains("delta_t") && !label.contains("prune_rate")), "{labels:?}");
    assert_eq!(
        merged,
        [
            "12 of 48 rows repeat another and are left out: `delta_t` and `prune_rate.initial` have no effect with method = \
             static",
            "14 of 48 rows repeat another and are left out: `delta_t` and `prune_rate.initial` and `sparsity` have no effect \
             with method = dense",
        ]
    );
}

/// However a key or a value is spelled, it is one.
#[test]
fn spellings_are_one() {
    let text = "base = 'quick'\n[grid]\nMethod = ['SET', 'Static']\nsparsity = ['95%']\n\"Delta-T\" = [5, 20]\nprune_rate = [0.3]\n[baseline]\nMETHOD = 'Static'";
    let specified = rows("spec.toml", text).unwrap();
    assert_eq!(specified.rows.len(), 3);
    let first = &specified.rows[0];
    assert_eq!(label(pairs(&first.varied)), "delta_t = 5, method = \"set\", prune_rate.initial = 0.3, sparsity = 0.95");
    assert_eq!(specified.baseline.unwrap()[0].0, "method");
    assert!(error("base = 'quick'\n[grid]\nsparsity = ['95%', 0.95]").contains("rows 1 and 2 are the same run"));
    assert!(error("[grid]\nlr = [0.1]\n[[list]]\nlearning_rate = 0.1").contains("`lr` is set in [grid] and in [list]"));
    let place = tempfile::tempdir().unwrap();
    ["a", "toy"].iter().for_each(|folder| std::fs::create_dir(place.path().join(folder)).unwrap());
    for other in ["./toy", "toy/", "./toy/.", "a/../toy"] {
        let at = place.path().display();
        let text = format!("base = 'quick'\n[grid]\ndata = ['{at}/toy', '{at}/{other}']");
        assert!(error(&text).contains("rows 1 and 2 are the same run"), "{other}");
    }
    assert!(error("base = 'quick'\n[grid]\ndata = ['nowhere', './nowhere/']").contains("are the same run"));
    assert_eq!(assignment("Delta-T=5"), Some(("delta_t".into(), Value::Integer(5))));
}

#[test]
fn what_has_an_effect_is_kept_apart() {
    // The rate that a constant prune rate never comes to.
    let (rows, merged) = labels(
        "[base]\npreset = 'quick'\nprune_rate.decay = 'constant'\n[grid]\nprune_rate.min = [0.1, 0.2]\nseed = [1]",
    );
    assert_eq!((rows.len(), merged.len()), (1, 1));
    let (rows, merged) = labels("base = 'quick'\n[grid]\nprune_rate.min = [0.1, 0.2]\nseed = [1]");
    assert_eq!((rows.len(), merged.len()), (2, 0));
    // Of a list: the key that one of them lacks.
    let (rows, merged) =
        labels("base = 'quick'\n[[list]]\nmethod = 'static'\n[[list]]\nmethod = 'static'\ndelta_t = 3");
    assert_eq!((rows.len(), merged.len()), (1, 1), "{merged:?}");
    let (rows, merged) = labels(
        "base = 'quick'\n[[list]]\nmethod = 'static'\n[[list]]\nmethod = 'set'\n[random]\ncount = 5\n\
         keys.delta_t = { uniform = [1, 1000] }",
    );
    assert_eq!((rows.len(), merged.len()), (6, 1), "{rows:?}");
}
