//! `itop web`: serves the page to a browser on this machine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use tiny_http::{Header, Response, Server, StatusCode};

use super::Failure;

#[derive(Args)]
pub struct WebArgs {
    /// Port on 127.0.0.1; 0: any free port
    #[arg(long, default_value_t = 8017)]
    port: u16,
    /// Folder that `cargo xtask web` built [default: target/web, or web beside this program]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The file that tells a built page.
const MODULE: &str = "itop_web_bg.wasm";

pub fn run(args: &WebArgs) -> Result<(), Failure> {
    let folder = folder(args)?;
    let server = Server::http(("127.0.0.1", args.port)).map_err(|error| {
        Failure::input(anyhow!("cannot listen on 127.0.0.1:{}: {error}; choose another --port", args.port))
    })?;
    println!("the page is at http://{}/ (on this machine only; Ctrl-C ends it)", server.server_addr());
    for request in server.incoming_requests() {
        let response = match local(&request).then(|| file(&folder, request.url())).flatten() {
            Some((kind, bytes)) => Response::from_data(bytes).with_header(kind),
            None => Response::from_string("not found").with_status_code(StatusCode(404)),
        };
        // A browser that has gone away is no trouble of ours.
        request.respond(response).ok();
    }
    Ok(())
}

/// Whether the request names this machine: pages of elsewhere, whose names were made to point here, get nothing.
fn local(request: &tiny_http::Request) -> bool {
    let host = request.headers().iter().find(|header| header.field.equiv("Host"));
    let name =
        host.map(|header| header.value.as_str().rsplit_once(':').map_or(header.value.as_str(), |(name, _)| name));
    matches!(name, Some("127.0.0.1" | "localhost"))
}

/// The folder with the page.
fn folder(args: &WebArgs) -> Result<PathBuf, Failure> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.parent()?.join("web")));
    let looked = match &args.dir {
        Some(folder) => vec![folder.clone()],
        None => [Some(target.join("web")), beside].into_iter().flatten().collect(),
    };
    looked.iter().find(|folder| folder.join(MODULE).is_file()).cloned().ok_or_else(|| {
        let looked = looked.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        Failure::input(anyhow!("there is no page in {looked}; build it with `cargo xtask web` in the source tree"))
    })
}

/// A file of the page with its type: a plain name in the folder, nothing else.
fn file(folder: &Path, url: &str) -> Option<(Header, Vec<u8>)> {
    let path = url.split(['?', '#']).next()?.strip_prefix('/')?;
    let name = if path.is_empty() { "index.html" } else { path };
    let kind = match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "wasm" => "application/wasm",
        _ => return None,
    };
    if name.starts_with('.') || name.contains(['/', '\\', ':']) {
        return None;
    }
    let read = std::fs::read(folder.join(name));
    if let Err(error) = &read
        && error.kind() != ErrorKind::NotFound
    {
        message!("warning: cannot read `{}`: {error}", folder.join(name).display());
    }
    Some((Header::from_bytes("Content-Type", kind).ok()?, read.ok()?))
}

#[cfg(test)]
mod tests {
    use super::file;

    #[test]
    fn only_files_of_the_page_are_handed_out() {
        let place = tempfile::tempdir().unwrap();
        let web = place.path().join("web");
        std::fs::create_dir(&web).unwrap();
        std::fs::write(place.path().join("secret.js"), "secret").unwrap();
        std::fs::write(web.join("index.html"), "page").unwrap();
        std::fs::write(web.join("key.pem"), "key").unwrap();
        for url in ["/", "/index.html", "/?set=lr=0.1"] {
            assert_eq!(file(&web, url).unwrap().1, b"page", "{url}");
        }
        for url in [
            "/../secret.js",
            "/..\\secret.js",
            "//secret.js",
            "secret.js",
            "/key.pem",
            "/no.js",
            "",
            "/web/",
            "/C:secret.js",
        ] {
            assert!(file(&web, url).is_none(), "{url}");
        }
    }
}
