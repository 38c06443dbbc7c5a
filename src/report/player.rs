//! The maps on a page, with a slider over the updates. Without JavaScript they show the last frame.

use base64::Engine as _;

use super::chart::escape;
use super::maps::{Film, LayerFilm};

/// Moves the sliders; belongs at the end of a page that has any.
pub const SCRIPT: &str = include_str!("../../assets/report/film.js");

/// Pixels of a map's longer side, at most.
const SIDE: usize = 192;

/// The maps of a run; nothing without frames.
pub fn html(film: &Film) -> String {
    let figures: String = film.layers.iter().filter_map(figure).collect();
    if figures.is_empty() {
        return figures;
    }
    let last = film.moments.len() - 1;
    let moment = |moment: &super::maps::Moment| {
        let [active, explored] = [moment.active, moment.explored].map(|share| format!("{:.1}", 100.0 * share));
        format!("[{},{},{active},{explored}]", moment.step, moment.update)
    };
    let moments = film.moments.iter().map(moment).collect::<Vec<_>>().join(",");
    let (class, data, player) = match last {
        0 => ("still", String::new(), String::new()),
        _ => (
            "film",
            format!(" data-moments=\"[{moments}]\""),
            format!(
                "<div class=\"player\" hidden><button type=\"button\">▶ Play</button>\
                 <input type=\"range\" min=\"0\" max=\"{last}\" value=\"{last}\" aria-label=\"Frame\"><output></output></div>\n"
            ),
        ),
    };
    format!(
        "<div class=\"{class}\"{data}><h3>Which connections were explored</h3>\n\
         <p>Rows: output channels; columns: input channels. Dark: never active; <span class=\"once\">blue</span>: active earlier; \
         <span class=\"now\">yellow</span>: active now.</p>\n{player}<div class=\"maps\">{figures}</div></div>\n"
    )
}

fn figure(layer: &LayerFilm) -> Option<String> {
    let data = base64::engine::general_purpose::STANDARD.encode(layer.sprite()?);
    let (rows, columns) = (layer.grid.rows(), layer.grid.columns());
    // Pixels a cell that narrow screens take two thirds of.
    let cell = (SIDE / rows.max(columns) / 3 * 3).max(3);
    Some(format!(
        "<figure><div class=\"map\" role=\"img\" aria-label=\"{0}\" title=\"{0}\" style=\"--rows:{rows};--columns:{columns};\
         --frames:{1};--size:{cell};background-image:url(data:image/png;base64,{data})\"></div><figcaption>{0}</figcaption></figure>\n",
        escape(&layer.title()),
        layer.frames.len()
    ))
}
