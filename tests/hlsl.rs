//! Every kernel permutation goes through the two compilers that Direct3D 12 has: Microsoft's FXC (`d3dcompiler_47.dll`) and DXC
//! (`dxcompiler.dll`), with the arguments that `wgpu` gives them. `ITOP_HLSL_REQUIRED=fxc,dxc` makes it a failure that one of
//! them is not on this machine. `scripts/test-windows.sh` runs it on Wine.
#![cfg(windows)]

#[path = "common/permutations.rs"]
mod permutations;

use std::ffi::c_void;
use std::mem::transmute_copy;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use itop::gpu::{Target, Tier};
use windows::Win32::Foundation::{FARPROC, FILETIME};
use windows::Win32::Graphics::Direct3D::{Dxc, Fxc, ID3DBlob};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows::Win32::System::Threading::{GetCurrentThread, GetThreadTimes};
use windows::core::{GUID, HRESULT, Interface, PCSTR, PCWSTR, s, w};

/// A kernel may take a compiler so many times as long as [`YARDSTICK`]: a user waits before the first step. (Seconds would judge
/// the machine. Where the limits were set, the yardstick takes FXC 0.9 s and DXC 0.03 s, and the slowest kernel 3 and 7 of them.)
const MOST_FXC: f64 = 6.0;
const MOST_DXC: f64 = 20.0;

/// What tells how fast a compiler is on this machine, and now: a loop with many sums, as in our kernels, but never changed.
const YARDSTICK: &str = include_str!("shaders/yardstick.hlsl");

/// Kernels of a thread between two looks at the yardstick.
const LOOK: usize = 40;

/// A function of a library on this machine; none if there is no such library.
fn function(library: PCWSTR, name: PCSTR) -> Option<FARPROC> {
    // SAFETY: both are strings that end with a zero; these libraries do nothing when they are loaded.
    unsafe { LoadLibraryW(library).ok().map(|library| GetProcAddress(library, name)) }
}

/// Says what is missing, and fails if it must be there.
fn missing(compiler: &str, library: &str) {
    let required = std::env::var("ITOP_HLSL_REQUIRED").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == compiler),
        "no {library} on this machine, and {compiler} is required"
    );
    eprintln!(
        "\n!!! {compiler} IS LEFT OUT: no {library} beside this program or on the path; nothing is known of it\n"
    );
}

/// The processor time of this thread: the clock on the wall would count what else the machine does.
fn thread_seconds() -> f64 {
    let mut times = [FILETIME::default(); 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: the four places are written to and not kept.
    unsafe { GetThreadTimes(GetCurrentThread(), created, exited, kernel, user) }.unwrap();
    let ticks = |time: &FILETIME| (u64::from(time.dwHighDateTime) << 32) | u64::from(time.dwLowDateTime);
    (ticks(&times[2]) + ticks(&times[3])) as f64 * 1e-7
}

/// What came of one permutation.
struct Compiled {
    name: String,
    seconds: f64,
    result: Result<(), String>,
}

/// Compiles all permutations of the tiers that `takes` names, on all cores, and the yardstick again and again; its seconds are
/// the median. `compiler` makes one for a thread.
fn compile_all<C: FnMut(&str) -> Result<(), String>>(
    target: Target,
    takes: fn(Tier) -> bool,
    compiler: impl Fn() -> C + Sync,
) -> (Vec<Compiled>, f64) {
    let kernels: Vec<_> = permutations::all().iter().filter(|(tier, _)| takes(*tier)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut compile = compiler();
        let mut done = Vec::new();
        let mut yardsticks = Vec::new();
        while let Some((tier, kernel)) = kernels.get(next.fetch_add(1, Ordering::Relaxed)) {
            let text = kernel.translate(*tier, target).unwrap_or_else(|error| panic!("{error}"));
            if done.len() % LOOK == 0 {
                let before = thread_seconds();
                compile(YARDSTICK).unwrap_or_else(|message| panic!("the yardstick does not compile: {message}"));
                yardsticks.push(thread_seconds() - before);
            }
            let before = thread_seconds();
            let result = compile(std::str::from_utf8(&text).unwrap());
            done.push(Compiled { name: kernel.to_string(), seconds: thread_seconds() - before, result });
        }
        (done, yardsticks)
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let (done, yardsticks): (Vec<_>, Vec<_>) = workers.into_iter().map(|worker| worker.join().unwrap()).unzip();
        let mut yardsticks = yardsticks.concat();
        yardsticks.sort_by(f64::total_cmp);
        (done.into_iter().flatten().collect(), yardsticks[yardsticks.len() / 2])
    })
}

/// Prints the slowest, fails if one does not compile or takes longer than `most` yardsticks.
fn judge(compiler: &str, start: Instant, (mut compiled, yardstick): (Vec<Compiled>, f64), most: f64) {
    let most = most * yardstick;
    assert!(compiled.len() > 100, "only {} permutations", compiled.len());
    compiled.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let total: f64 = compiled.iter().map(|kernel| kernel.seconds).sum();
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{compiler}: {} permutations, {total:.1} s of the processor, {wall:.1} s on the wall, {yardstick:.2} s for the yardstick; \
         the slowest:",
        compiled.len()
    );
    for Compiled { name, seconds, .. } in &compiled[..10] {
        println!("  {seconds:7.2} s  {name}");
    }
    let bad = |kernel: &Compiled| match &kernel.result {
        Err(message) => Some(format!("{} does not compile ({:.1} s): {message}", kernel.name, kernel.seconds)),
        Ok(()) if kernel.seconds > most => {
            Some(format!("{} takes {:.1} s, {most:.1} are allowed", kernel.name, kernel.seconds))
        }
        Ok(()) => None,
    };
    let bad: Vec<String> = compiled.iter().filter_map(bad).collect();
    let shown: String = bad.iter().take(20).map(|line| format!("\n{line}")).collect();
    assert!(bad.is_empty(), "{compiler}: {} of {} permutations are bad:{shown}", bad.len(), compiled.len());
}

/// What a compiler said.
fn text_of(blob: &ID3DBlob) -> String {
    // SAFETY: the blob holds that many bytes, and lives.
    let bytes = unsafe { std::slice::from_raw_parts(blob.GetBufferPointer().cast::<u8>(), blob.GetBufferSize()) };
    String::from_utf8_lossy(bytes).trim_end_matches(['\0', '\n']).to_string()
}

type D3DCompile = unsafe extern "system" fn(
    *const c_void,
    usize,
    PCSTR,
    *const c_void,
    *const c_void,
    PCSTR,
    PCSTR,
    u32,
    u32,
    *mut Option<ID3DBlob>,
    *mut Option<ID3DBlob>,
) -> HRESULT;

/// FXC ends at shader model 5.1, which has neither subgroups nor 64-bit integers.
#[test]
fn fxc_compiles_every_permutation() {
    let Some(found) = function(w!("d3dcompiler_47.dll"), s!("D3DCompile")) else {
        return missing("fxc", "d3dcompiler_47.dll");
    };
    // SAFETY: this is the function's signature.
    let d3d_compile: D3DCompile = unsafe { transmute_copy(&found.expect("d3dcompiler_47.dll has no D3DCompile")) };
    let compiler = || {
        move |text: &str| {
            let (mut code, mut messages) = (None, None);
            // SAFETY: the text has that length, the strings end with a zero, the other places are null or are written to.
            let result = unsafe {
                d3d_compile(
                    text.as_ptr().cast(),
                    text.len(),
                    PCSTR::null(),
                    std::ptr::null(),
                    std::ptr::null(),
                    s!("main"),
                    s!("cs_5_1"),
                    Fxc::D3DCOMPILE_ENABLE_STRICTNESS,
                    0,
                    &mut code,
                    &mut messages,
                )
            };
            let said = |messages: &Option<ID3DBlob>| messages.as_ref().map_or_else(String::new, text_of);
            result.ok().map_err(|error| format!("{error}: {}", said(&messages)))
        }
    };
    let start = Instant::now();
    judge(
        "fxc",
        start,
        compile_all(Target::HlslFxc, |tier| !tier.subgroups && !tier.int64 && !tier.matrices, compiler),
        MOST_FXC,
    );
}

type DxcCreateInstance =
    unsafe extern "system" fn(*const GUID, *const GUID, *mut Option<Dxc::IDxcCompiler3>) -> HRESULT;

/// At the least shader model that DXC knows: what compiles there compiles at all later ones. (`naga` has no matrices in HLSL.)
#[test]
fn dxc_compiles_every_permutation() {
    let Some(found) = function(w!("dxcompiler.dll"), s!("DxcCreateInstance")) else {
        return missing("dxc", "dxcompiler.dll");
    };
    // SAFETY: this is the function's signature.
    let create: DxcCreateInstance = unsafe { transmute_copy(&found.expect("dxcompiler.dll has no DxcCreateInstance")) };
    let compiler = || {
        let mut made: Option<Dxc::IDxcCompiler3> = None;
        // SAFETY: the class has the interface whose identity is given, and `made` takes a pointer to it.
        unsafe { create(&Dxc::CLSID_DxcCompiler, &Dxc::IDxcCompiler3::IID, &mut made) }
            .ok()
            .expect("DxcCreateInstance");
        let dxc = made.expect("DxcCreateInstance gave nothing");
        move |text: &str| compile_by_dxc(&dxc, text).map_err(|error| error.to_string())?
    };
    let start = Instant::now();
    judge("dxc", start, compile_all(Target::Hlsl, |tier| !tier.matrices, compiler), MOST_DXC);
}

/// The outer error is of the call, the inner one of the text.
fn compile_by_dxc(dxc: &Dxc::IDxcCompiler3, text: &str) -> windows::core::Result<Result<(), String>> {
    let strict = Dxc::DXC_ARG_ENABLE_STRICTNESS;
    let arguments = [w!("-E"), w!("main"), w!("-T"), w!("cs_6_0"), w!("-HV"), w!("2018"), w!("-no-warnings"), strict];
    let buffer = Dxc::DxcBuffer { Ptr: text.as_ptr().cast(), Size: text.len(), Encoding: Dxc::DXC_CP_UTF8.0 };
    // SAFETY: the buffer and the arguments live until the call returns; each output is asked for by its own interface.
    unsafe {
        let result: Dxc::IDxcResult = dxc.Compile(&buffer, Some(&arguments), None)?;
        if result.GetStatus()?.is_ok() {
            return Ok(Ok(()));
        }
        let mut messages: Option<Dxc::IDxcBlobUtf8> = None;
        result.GetOutput(Dxc::DXC_OUT_ERRORS, &mut None, &mut messages)?;
        let Some(messages) = messages else { return Ok(Err("no message".into())) };
        let bytes = std::slice::from_raw_parts(messages.GetStringPointer().0, messages.GetStringLength());
        Ok(Err(String::from_utf8_lossy(bytes).trim_end().to_string()))
    }
}
