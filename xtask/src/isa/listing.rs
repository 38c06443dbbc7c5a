//! Reads what a driver prints of a kernel's machine code: its innermost loop, where a kernel spends its time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flow;

/// A compiler's way of writing machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// NVIDIA, NVK's compiler.
    Nak,
    /// AMD.
    Aco,
    /// Apple: of what the driver prints, the part with addresses.
    Agx,
    /// Adreno.
    Ir3,
}

/// What a loop does in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loop {
    pub instructions: usize,
    /// Loads from buffers of at most 32 bits, of at most 64, of more.
    pub loads: [usize; 3],
    /// Instructions that wait for earlier ones' results from memory (NVIDIA: for any of unknown length).
    pub waits: usize,
}

/// An instruction, and where it may go.
struct Line<'a> {
    text: &'a str,
    target: Option<&'a str>,
}

impl Syntax {
    /// Of an internal representation's name.
    pub fn of(name: &str) -> Option<Self> {
        [("NAK assembly", Self::Nak), ("Assembly", Self::Aco), ("IR3 Assembly", Self::Ir3)]
            .into_iter()
            .find_map(|(known, syntax)| (known == name).then_some(syntax))
    }

    /// Of the loops that load from buffers the one with the most loops around it, of several the longest; where none loads, of
    /// all. `None` where there is no loop.
    pub fn innermost(self, listing: &str) -> Option<Loop> {
        let (lines, places) = self.lines(listing);
        let next = |(at, line): (usize, &Line)| {
            let target = line.target.and_then(|target| self.place(&places, line, target));
            let falls = (!self.ends(line.text) && at + 1 < lines.len()).then_some(at + 1);
            falls.into_iter().chain(target.filter(|&to| to < lines.len())).collect()
        };
        let next: Vec<Vec<usize>> = lines.iter().enumerate().map(next).collect();
        let all = flow::loops(&next).into_iter().map(|found| {
            let mut content = Loop { instructions: found.members.len(), ..Loop::default() };
            for line in found.members.iter().map(|&at| &lines[at]) {
                if let Some(bits) = self.load_bits(line.text) {
                    let width = if bits <= 32 { 0 } else { usize::from(bits > 64) + 1 };
                    content.loads[width] += 1;
                }
                content.waits += usize::from(self.waits(line.text));
            }
            (content.loads != [0; 3], found.depth, content)
        });
        all.max_by_key(|(loads, depth, content)| (*loads, *depth, content.instructions)).map(|(.., content)| content)
    }

    /// Whether the next instruction in the text is not the next to run, or not without a branch.
    fn ends(self, text: &str) -> bool {
        let first = text.split_whitespace().next().unwrap_or("");
        match self {
            Self::Nak => !text.starts_with('@') && (text.contains("bra pT ") || first == "exit"),
            Self::Aco => matches!(first, "s_branch" | "s_endpgm"),
            Self::Agx => text.split_whitespace().nth(2) == Some("stop"),
            Self::Ir3 => matches!(first.rsplit(')').next(), Some("jump" | "end")),
        }
    }

    /// The instructions, and which of them each label (of AGX: each address) names.
    fn lines<'a>(self, listing: &'a str) -> (Vec<Line<'a>>, BTreeMap<String, usize>) {
        let (mut lines, mut places) = (Vec::new(), BTreeMap::new());
        for raw in listing.lines() {
            let text = raw.trim();
            let mut words = text.split_whitespace();
            let first = words.next().unwrap_or("");
            match self {
                Self::Nak if first.starts_with("block") => {
                    places.extend(words.find(|word| is_label(word, "L")).map(|label| (label.to_string(), lines.len())));
                }
                Self::Nak if first.contains('}') => {}
                Self::Aco | Self::Ir3 if first.ends_with(':') => {
                    places.insert(first.trim_end_matches(':').to_string(), lines.len());
                }
                Self::Aco if !raw.starts_with('\t') => {}
                Self::Ir3 if first.is_empty() || first.starts_with([';', '@']) || first == "Native" => {}
                Self::Agx => {
                    let Some(address) = first.strip_suffix(':').and_then(|hex| i64::from_str_radix(hex, 16).ok())
                    else {
                        continue;
                    };
                    // Another part of the program, its preamble, follows.
                    if address == 0 && !lines.is_empty() {
                        break;
                    }
                    places.insert(address.to_string(), lines.len());
                    lines.push(Line {
                        text,
                        target: text.contains(" jmp").then(|| text.split_whitespace().last()).flatten(),
                    });
                }
                _ if first.is_empty() => {}
                _ => lines.push(Line { text, target: self.target(text) }),
            }
        }
        (lines, places)
    }

    /// The label that an instruction goes to.
    fn target(self, text: &str) -> Option<&str> {
        let code = text.split(if self == Self::Nak { "//" } else { ";" }).next()?;
        let last = code.split_whitespace().last()?;
        match self {
            Self::Nak => (code.contains("bra ") && is_label(last, "L")).then_some(last),
            Self::Aco => (code.contains("branch") && is_label(last, "BB")).then_some(last),
            Self::Ir3 => last.strip_prefix('#').filter(|label| is_label(label, "l")),
            Self::Agx => None,
        }
    }

    /// The instruction that `target` of `line` names.
    fn place(self, places: &BTreeMap<String, usize>, line: &Line, target: &str) -> Option<usize> {
        if self != Self::Agx {
            return places.get(target).copied();
        }
        let here = i64::from_str_radix(line.text.split(':').next()?, 16).ok()?;
        places.get(&(here + target.parse::<i64>().ok()?).to_string()).copied()
    }

    /// How many bits an instruction loads from a buffer; `None`: it loads none.
    fn load_bits(self, text: &str) -> Option<u32> {
        let mut words = text.split_whitespace();
        match self {
            Self::Nak => {
                let load = words.find(|word| word.starts_with("ld.global"))?;
                load.split('.').find_map(|part| part.trim_start_matches(['b', 'u', 's']).parse().ok())
            }
            Self::Aco => {
                let load = words.next()?;
                let kinds = ["buffer_load_", "global_load_", "s_buffer_load_"];
                let of = kinds.iter().find_map(|kind| load.strip_prefix(kind))?.split('_').next()?;
                match (of.strip_prefix("dword"), of.strip_prefix('b')) {
                    (Some(count), _) => {
                        count.trim_start_matches('x').parse().map_or(Some(32), |count: u32| Some(32 * count))
                    }
                    (_, Some(bits)) => bits.parse().ok(),
                    _ => Some(32),
                }
            }
            Self::Agx => {
                let (_, operands) = text.split_once(" load ")?;
                let mut operands = operands.split(',').map(str::trim);
                let bits: u32 = operands.find_map(|word| word.strip_prefix('i')?.parse().ok())?;
                Some(bits * components(operands.next()?)?)
            }
            Self::Ir3 => {
                let code = text.trim_start_matches(|c| c != ')').trim_start_matches(')');
                let code = if text.starts_with('(') { code } else { text };
                let (name, operands) = code.split_once(' ')?;
                let name = name.rsplit(')').next()?;
                if name.starts_with("isam") {
                    return operands.split(['(', ')']).find_map(components).map(|count| 32 * count);
                }
                if name.starts_with("ldib") {
                    return name.split('.').find_map(|part| part.parse::<u32>().ok()).map(|count| 32 * count);
                }
                let count = name.starts_with("ldg").then(|| operands.rsplit(", ").next())??;
                count.parse::<u32>().ok().map(|count| 32 * count)
            }
        }
    }

    fn waits(self, text: &str) -> bool {
        match self {
            Self::Nak => text.contains(" wt="),
            Self::Aco => text.starts_with("s_wait"),
            Self::Agx => text.split_whitespace().nth(2) == Some("wait"),
            Self::Ir3 => {
                text.split_whitespace().next().is_some_and(|word| word.contains("(sy)") || word.contains("(ss)"))
            }
        }
    }
}

fn is_label(word: &str, prefix: &str) -> bool {
    word.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How many of x, y, z, w a mask names.
fn components(mask: &str) -> Option<u32> {
    (!mask.is_empty() && mask.chars().all(|c| "xyzw".contains(c))).then_some(mask.len() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sparse gather's loop as the four compilers write it, shortened.
    #[test]
    fn loops_are_found() {
        let nak = "block.u 0 L1 [] -> {\n      r3 = ld.global.a64.b32 [rZ+ur4..6] // delay=2 rd:0 wr:1\n} -> [1]\n\
            block.u 1 L0 [0, 12] -> {\n      bra !up0 L23 // delay=1 wt=110111\n} -> [2, 12]\n\
            block.u 12 L23 [1] -> {\n      r7 = ld.global.a64.constant.b32 [rZ+ur12..14], p2 // delay=2 wr:0\n\
            \x20     r8 = ld.global.a64.constant.b128 [rZ+ur12..14], p2 // delay=2 wr:0\n\
            \x20     r9 = ffma r1 r2 r3 // delay=1 wt=000001\n      bra pT L0 // delay=1\n} -> [1]\n";
        let aco = "BB0:\n\ts_branch BB1 ; bfa00015\nBB3:\n\ts_load_b128 s[8:11], s[0:1], 0x20 ; f4\n\
            \ts_waitcnt lgkmcnt(0) ; bf\n\ts_buffer_load_b64 s[2:3], s[8:11], s2 ; f4\n\
            \tbuffer_load_b128 v[8:11], v3, s[12:15], 0 offen ; e0\n\tbuffer_load_dwordx4 v[8:11], v3 ; e0\n\
            \tbuffer_load_dword v8, v3 ; e0\nBB1:\n\ts_cbranch_scc0 BB3 ; bf\nBB4:\n\ts_cbranch_execz BB10 ; bf\nBB10:\n";
        let agx = "block3 {\n}\n   0: f2050000               mov      $r1, x\n\
            \x20  4: 0511840600c01200       load     r2, dr2, r4, i32, x, a\n\
            \x20  c: 0579044622c81200       load     r15_r16_r17, dr18, r16, lsl 2, i32, xyzw, b\n\
            \x20 14: 3800                   wait     a\n  16: 00c048feffff           jmp_any  -18\n\
            \x20 1c: 8800                   stop\n\n   0: 3800       wait     a\n   2: 00c048feffff   jmp_any  -2\n";
        let ir3 = "Native code for unnamed\n; num_ubos: 0\n@in(r0.x)\tin1\nshps #l7\nl7:\nl29:\n(ss)br p0.y, #l43\n\
            isam.v.base0 (u32)(xy)r3.z, r3.y, s#0, t#4\n(sy)(nop2) sad.s32 r3.z, r1.w, r0.x, (last)r3.z\n\
            (rpt1)nop\nisam.v.base0 (u32)(xyzw)r4.x, r3.z, s#0, t#0\njump #l29\nl43:\nend\n";
        let found = |instructions, loads, waits| Some(Loop { instructions, loads, waits });
        assert_eq!(Syntax::Nak.innermost(nak), found(5, [1, 0, 1], 2));
        assert_eq!(Syntax::Aco.innermost(aco), found(7, [1, 1, 2], 1));
        assert_eq!(Syntax::Agx.innermost(agx), found(4, [1, 0, 1], 1));
        assert_eq!(Syntax::Ir3.innermost(ir3), found(6, [0, 1, 1], 2));
        assert_eq!(Syntax::Aco.innermost("BB0:\n\ts_endpgm\n"), None);
    }

    /// Not those that only wait for lanes, however deep, as long as another loads.
    #[test]
    fn the_deepest_loop_that_loads_counts() {
        let load = "isam.v.base0 (u32)(xy)r3.z, r3.y, s#0, t#4";
        let nested = format!(
            "l1:\nnop\nl2:\nnop\n{load}\nl3:\nnop\nbr p0.x, #l3\nbr p0.x, #l2\njump #l1\n\
             l5:\nnop\nnop\nnop\nnop\nbr p0.x, #l5\nend\n"
        );
        assert_eq!(Syntax::Ir3.innermost(&nested), Some(Loop { instructions: 5, loads: [0, 1, 0], waits: 0 }));
        let dry = nested.replace(load, "nop");
        assert_eq!(Syntax::Ir3.innermost(&dry).map(|found| found.instructions), Some(2));
    }
}
