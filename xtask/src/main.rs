fn main() -> anyhow::Result<()> {
    let mut b = wasm_bindgen_cli_support::Bindgen::new();
    b.input_path(std::env::args().nth(1).unwrap()).web(true)?.typescript(false).generate(std::env::args().nth(2).unwrap())
}
