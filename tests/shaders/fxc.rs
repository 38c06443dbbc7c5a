//! What Microsoft's FXC, which Direct3D 12 falls back to, refuses or gets wrong, found in naga's IR:
//!
//! - a store to a component of a vector, or to an element of a local array, by a variable index (error X3500; wgpu#4460);
//! - a `switch` in a loop (it computes something else; wgpu#5656).

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{AddressSpace, Block, Expression, Function, Handle, Module, Span, Statement, TypeInner};

/// Every such place in a valid module, with the line of `wgsl` it stands in.
pub fn refused(module: &Module, info: &ModuleInfo, wgsl: &str) -> Vec<String> {
    let mut found = Found { module, wgsl, places: Vec::new() };
    for (number, entry) in module.entry_points.iter().enumerate() {
        found.walk((&entry.function, info.get_entry_point(number)), &entry.function.body, false);
    }
    for (handle, function) in module.functions.iter() {
        found.walk((function, &info[handle]), &function.body, false);
    }
    found.places
}

struct Found<'a> {
    module: &'a Module,
    wgsl: &'a str,
    places: Vec<String>,
}

impl Found<'_> {
    fn walk(&mut self, function: (&Function, &FunctionInfo), block: &Block, in_loop: bool) {
        for (statement, span) in block.span_iter() {
            match statement {
                Statement::Block(inner) => self.walk(function, inner, in_loop),
                Statement::If { accept, reject, .. } => {
                    self.walk(function, accept, in_loop);
                    self.walk(function, reject, in_loop);
                }
                Statement::Loop { body, continuing, .. } => {
                    self.walk(function, body, true);
                    self.walk(function, continuing, true);
                }
                Statement::Switch { cases, .. } => {
                    if in_loop {
                        self.add(*span, "a switch in a loop");
                    }
                    cases.iter().for_each(|case| self.walk(function, &case.body, in_loop));
                }
                Statement::Store { pointer, .. } if self.by_variable(function, *pointer) => {
                    self.add(*span, "a store by a variable index");
                }
                Statement::Call { function: called, .. } if in_loop => {
                    self.switches(&self.module.functions[*called].body);
                }
                _ => {}
            }
        }
    }

    /// Switches outside of loops in a function that is called from one.
    fn switches(&mut self, block: &Block) {
        for (statement, span) in block.span_iter() {
            match statement {
                Statement::Block(inner) => self.switches(inner),
                Statement::If { accept, reject, .. } => {
                    self.switches(accept);
                    self.switches(reject);
                }
                Statement::Switch { .. } => self.add(*span, "a switch in a loop"),
                Statement::Call { function: called, .. } => {
                    self.switches(&self.module.functions[*called].body);
                }
                _ => {}
            }
        }
    }

    /// Whether a pointer goes by a variable index to a vector's component, or anywhere within a local variable.
    fn by_variable(&self, (function, info): (&Function, &FunctionInfo), pointer: Handle<Expression>) -> bool {
        let types = &self.module.types;
        let (mut at, mut variable) = (pointer, false);
        loop {
            match function.expressions[at] {
                Expression::Access { base, index } => {
                    let constant =
                        matches!(function.expressions[index], Expression::Literal(_) | Expression::Constant(_));
                    let into_vector = match info[base].ty.inner_with(types) {
                        TypeInner::Pointer { base, .. } => matches!(types[*base].inner, TypeInner::Vector { .. }),
                        TypeInner::ValuePointer { size, .. } => size.is_some(),
                        _ => false,
                    };
                    if !constant && into_vector {
                        return true;
                    }
                    variable |= !constant;
                    at = base;
                }
                Expression::AccessIndex { base, .. } => at = base,
                _ => break,
            }
        }
        let space = info[at].ty.inner_with(types).pointer_space();
        variable && matches!(space, Some(AddressSpace::Function | AddressSpace::Private))
    }

    fn add(&mut self, span: Span, what: &str) {
        let number = span.location(self.wgsl).line_number;
        let line = self.wgsl.lines().nth(number as usize - 1).unwrap_or_default().trim();
        let place = format!("line {number} (after the preprocessor) has {what}: `{line}`");
        if !self.places.contains(&place) {
            self.places.push(place);
        }
    }
}
