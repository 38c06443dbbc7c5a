//! Programs that check every number they write, to find the first one that is infinite or NaN. Shader: `finite.wgsl`.

use super::{ALIGNMENT, BufferSpec, Command, Executor, GpuError, Kernel, Program, Slice};

/// Workgroups of a look; each invocation goes on by as many values as all of them see at once.
const GROUPS: u32 = 256;

/// What a checked program found.
pub struct Findings {
    /// A word a look, [`ALIGNMENT`] bytes apart: not 0 if a value was not finite.
    flags: Slice,
    /// The command whose output each look was at.
    labels: Vec<String>,
}

impl Executor {
    /// `commands`, each followed by a look at the numbers that it wrote.
    pub fn prepare_checked(&mut self, commands: &[Command]) -> Result<(Program, Findings), GpuError> {
        let mut outputs = Vec::with_capacity(commands.len());
        for command in commands {
            outputs.push(match command {
                Command::Dispatch { kernel, bindings, .. } => {
                    let numbers = self.number_outputs(kernel)?;
                    let look = |(binding, words): (usize, bool)| {
                        let of = |name| words && kernel.defines.iter().any(|(define, _)| *define == name);
                        let look = Kernel::new("finite").define_if(of("HALF"), "HALF").define_if(of("BF16"), "BF16");
                        let stride = (look.workgroup_size() * GROUPS) as usize;
                        Some((*bindings.get(binding)?, look.set("STRIDE", stride)))
                    };
                    numbers.into_iter().filter_map(look).collect()
                }
                Command::Copy { .. } | Command::Clear { .. } => Vec::new(),
            });
        }
        let looks = outputs.iter().map(Vec::len).sum::<usize>();
        let bytes = ALIGNMENT * looks.max(1) as u64;
        let flags = self.allocate(BufferSpec { group: "finite", name: "flags".into(), bytes, uniform: false });
        let (mut checked, mut labels) = (Vec::new(), Vec::with_capacity(looks));
        for (command, outputs) in commands.iter().zip(outputs) {
            checked.push(command.clone());
            for (output, look) in outputs {
                let flag = flags.part(ALIGNMENT * labels.len() as u64, 4);
                checked.push(Command::dispatch(command.label().clone(), look, &[output, flag], [GROUPS, 1, 1]));
                labels.push(command.label().to_string());
            }
        }
        Ok((self.prepare(&checked, |_| ())?, Findings { flags, labels }))
    }

    /// The first command since the last call whose output held a value that was not finite.
    pub async fn first_bad(&self, findings: &Findings) -> Result<Option<String>, GpuError> {
        let words: Vec<u32> = self.read(findings.flags).await?;
        self.write(findings.flags, &vec![0u32; words.len()]);
        let bad = words.chunks(ALIGNMENT as usize / 4).position(|look| look[0] != 0);
        Ok(bad.and_then(|look| findings.labels.get(look).cloned()))
    }
}
