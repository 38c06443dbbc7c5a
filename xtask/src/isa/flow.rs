//! Loops of a program, from where each instruction may go: compilers lay blocks out as they like, so that a loop is not what
//! lies between a label and the branch back to it.

/// A loop: how many loops it lies in, itself among them, and its instructions in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub depth: usize,
    pub members: Vec<usize>,
}

/// All loops of a program whose instruction `i` may go on with `next[i]`: sets whose instructions reach each other, and
/// within each, without the instructions at which it is entered, the same again.
pub fn loops(next: &[Vec<usize>]) -> Vec<Found> {
    let mut before = vec![Vec::new(); next.len()];
    for (from, all) in next.iter().enumerate() {
        all.iter().for_each(|&to| before[to].push(from));
    }
    let mut found = Vec::new();
    let mut open = vec![(1, (0..next.len()).collect::<Vec<_>>())];
    while let Some((depth, within)) = open.pop() {
        for members in circles(next, &before, &within) {
            let mut own = vec![false; next.len()];
            members.iter().for_each(|&at| own[at] = true);
            let entered = |at: usize| at == 0 || before[at].iter().any(|&from| !own[from]);
            let mut inner: Vec<usize> = members.iter().copied().filter(|&at| !entered(at)).collect();
            if inner.len() == members.len() {
                // Nothing leads there: the first is as good as any.
                inner.remove(0);
            }
            open.push((depth + 1, inner));
            found.push(Found { depth, members });
        }
    }
    found
}

/// The largest sets of `within` whose instructions reach each other inside of it (Kosaraju), of more than one instruction or one
/// that goes to itself.
fn circles(next: &[Vec<usize>], before: &[Vec<usize>], within: &[usize]) -> Vec<Vec<usize>> {
    let mut fresh = vec![false; next.len()];
    within.iter().for_each(|&at| fresh[at] = true);
    // Every instruction behind all that it reaches first.
    let mut order = Vec::new();
    for &start in within {
        let mut path = if std::mem::take(&mut fresh[start]) { vec![(start, 0)] } else { Vec::new() };
        while let Some((at, taken)) = path.pop() {
            match next[at].get(taken) {
                None => order.push(at),
                Some(&to) => {
                    path.push((at, taken + 1));
                    path.extend(std::mem::take(&mut fresh[to]).then_some((to, 0)));
                }
            }
        }
    }
    within.iter().for_each(|&at| fresh[at] = true);
    let mut all = Vec::new();
    for &start in order.iter().rev() {
        let mut members = Vec::new();
        let mut open = if std::mem::take(&mut fresh[start]) { vec![start] } else { Vec::new() };
        while let Some(at) = open.pop() {
            members.push(at);
            open.extend(before[at].iter().filter(|&&from| std::mem::take(&mut fresh[from])));
        }
        if members.len() > 1 || members.iter().any(|&at| next[at].contains(&at)) {
            members.sort_unstable();
            all.push(members);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(next: &[&[usize]]) -> Vec<(usize, Vec<usize>)> {
        let next: Vec<Vec<usize>> = next.iter().map(|all| all.to_vec()).collect();
        let mut all: Vec<_> = loops(&next).into_iter().map(|found| (found.depth, found.members)).collect();
        all.sort();
        all
    }

    #[test]
    fn loops_within_loops() {
        assert_eq!(found(&[&[1], &[2], &[]]), []);
        assert_eq!(found(&[&[0, 1], &[]]), [(1, vec![0])]);
        // 1 to 4, in it 2 and 3.
        assert_eq!(found(&[&[1], &[2], &[3], &[2, 4], &[1, 5], &[]]), [(1, vec![1, 2, 3, 4]), (2, vec![2, 3])]);
        // Entered by its test, which lies behind its body.
        assert_eq!(found(&[&[3], &[2], &[3], &[1, 4], &[]]), [(1, vec![1, 2, 3])]);
        // What leaves a loop lies in the middle of it.
        assert_eq!(found(&[&[1], &[2, 3], &[], &[4], &[1]]), [(1, vec![1, 3, 4])]);
    }
}
