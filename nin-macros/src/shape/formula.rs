//! The arithmetic of sizes in words.

use super::axis::Axis;
use super::trail::pair;
use crate::net::Op;

/// The arithmetic of the output's rows and columns.
pub(super) fn formula([rows, columns]: [Axis; 2]) -> String {
    let side = |axis: Axis| {
        let stays = Axis { input: axis.input, kernel: 1, stride: 1, padding: 0, ceil: axis.ceil };
        if axis == stays {
            return axis.input.to_string();
        }
        format!("{} = {}", axis.formula(), axis.output())
    };
    if rows == columns {
        if side(rows) == rows.input.to_string() {
            return "the size stays".to_owned();
        }
        return side(rows);
    }
    format!("rows {}, columns {}", side(rows), side(columns))
}

/// The same where no window fits.
pub(super) fn misfit([rows, columns]: [Axis; 2]) -> String {
    let side = |axis: Axis| format!("{}, but {}", axis.formula(), axis.misfit());
    if rows == columns {
        return side(rows);
    }
    let sides = [(rows, "rows"), (columns, "columns")];
    let bad = sides.iter().filter(|(axis, _)| axis.output() == 0);
    bad.map(|&(axis, name)| format!("{name} {}", side(axis))).collect::<Vec<_>>().join("; ")
}

/// Remarks on a layer that are no errors.
pub(super) fn notes(axes: [Axis; 2], op: &Op) -> Vec<String> {
    let mut notes = Vec::new();
    let each = |is: &dyn Fn(Axis) -> bool| match axes.map(is) {
        [true, true] => Some("rows and columns"),
        [true, false] => Some("rows"),
        [false, true] => Some("columns"),
        [false, false] => None,
    };
    let [rows, columns] = axes;
    if let Some(what) = each(&|axis| axis.stride > axis.kernel && axis.output() > 1) {
        let stride = pair([rows.stride, columns.stride]);
        let kernel = pair([rows.kernel, columns.kernel]);
        notes.push(format!(
            "stride {stride} is larger than the window {kernel}: some {what} are never looked at"
        ));
    }
    let cut: Vec<String> = [(rows.cut_off(), "row"), (columns.cut_off(), "column")]
        .iter()
        .filter(|&&(count, _)| count > 0)
        .map(|&(count, name)| format!("{count} {name}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if !cut.is_empty() {
        let cut = cut.join(" and ");
        notes.push(format!("cut off at the end: {cut}, which no window reaches"));
    }
    let conv = matches!(op, Op::Conv { .. });
    let nearly = |axis: Axis| {
        conv && axis.kernel.is_multiple_of(2)
            && axis.stride == 1
            && axis.output().abs_diff(axis.input) == 1
    };
    if let Some(what) = each(&nearly) {
        let kernel = pair([rows.kernel, columns.kernel]);
        notes.push(format!("kernel {kernel} is even, so no padding keeps the number of {what}"));
    }
    if let Some(what) = each(&|axis| axis.padding >= axis.kernel) {
        notes.push(format!(
            "padding is as large as the window: the outermost {what} see nothing but zeros"
        ));
    }
    notes
}
