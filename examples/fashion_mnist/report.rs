//! What training came to, for people: a confusion matrix, a curve, a picture.

use std::{error::Error, path::Path};

use plotters::{
    element::BitMapElement,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    data::{Data, SIDE},
    net::CLASSES,
    train::{Epoch, accuracy, class},
};

type Result = std::result::Result<(), Box<dyn Error>>;

const FONT: &str = "sans-serif";

/// Prints how often images of each class (rows) were taken for each class (columns).
pub fn print_confusion(logits: &[[f32; 10]], test: &Data) {
    let mut counts = [[0; 10]; 10];
    for (logits, label) in logits.iter().zip(test.labels()) {
        counts[usize::from(*label)][class(logits)] += 1;
    }
    println!("\ntest accuracy {:.4}\n", accuracy(logits, test));
    println!("{:>9} {}", "taken for", CLASSES.map(|name| format!("{name:>8}")).join(" "));
    for (name, row) in CLASSES.iter().zip(counts) {
        println!("{name:>9} {}", row.map(|count| format!("{count:>8}")).join(" "));
    }
    println!();
}

/// Draws loss and accuracy over the epochs.
pub fn draw_curve(path: &Path, epochs: &[Epoch]) -> Result {
    let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let end = epochs.len().max(2);
    let highest = epochs.iter().map(|epoch| epoch.loss).fold(0.1, f32::max) * 1.05;
    let mut chart = ChartBuilder::on(&root)
        .caption("Fashion-MNIST", (FONT, 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .right_y_label_area_size(50)
        .build_cartesian_2d(1..end, 0.0..highest)?
        .set_secondary_coord(1..end, 0.0..1.0_f32);
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc("training loss")
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.configure_secondary_axes().y_desc("test accuracy").draw()?;
    let points = |value: fn(&Epoch) -> f32| {
        epochs.iter().enumerate().map(move |(i, epoch)| (i + 1, value(epoch)))
    };
    let legend = |colour: RGBColor| {
        move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
    };
    chart
        .draw_series(LineSeries::new(points(|epoch| epoch.loss), RED.stroke_width(2)))?
        .label("training loss")
        .legend(legend(RED));
    chart
        .draw_secondary_series(LineSeries::new(
            points(|epoch| epoch.accuracy),
            BLUE.stroke_width(2),
        ))?
        .label("test accuracy")
        .legend(legend(BLUE));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .label_font((FONT, 14))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}

/// Draws the first test images with their predicted classes, and with the true class where it is another.
pub fn draw_predictions(path: &Path, logits: &[[f32; 10]], test: &Data) -> Result {
    const ZOOM: usize = 3;
    const IMAGE: u32 = (SIDE * ZOOM) as u32;
    const CELL: (u32, u32) = (IMAGE + 46, IMAGE + 44);
    const GRID: (usize, usize) = (8, 5);
    let size = (CELL.0 * GRID.0 as u32, CELL.1 * GRID.1 as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (i, logits) in logits.iter().enumerate().take(GRID.0 * GRID.1) {
        let corner = ((i % GRID.0) as i32 * CELL.0 as i32, (i / GRID.0) as i32 * CELL.1 as i32);
        let (predicted, label) = (class(logits), usize::from(test.labels()[i]));
        let (colour, text) = if predicted == label {
            (RGBColor(0, 110, 40), CLASSES[predicted].to_string())
        } else {
            (RGBColor(200, 0, 0), format!("{} ({})", CLASSES[predicted], CLASSES[label]))
        };
        let style = (FONT, 13).into_font().color(&colour).pos(Pos::new(HPos::Center, VPos::Top));
        root.draw_text(
            &text,
            &style,
            (corner.0 + CELL.0 as i32 / 2, corner.1 + IMAGE as i32 + 18),
        )?;
        let place = (corner.0 + (CELL.0 - IMAGE) as i32 / 2, corner.1 + 12);
        let rgb = enlarge(test.image(i), ZOOM);
        if let Some(bitmap) = BitMapElement::with_owned_buffer(place, (IMAGE, IMAGE), rgb) {
            root.draw(&bitmap)?;
        }
    }
    root.present()?;
    Ok(())
}

/// The image in black on white, each pixel as a square of `zoom` × `zoom`, in RGB.
fn enlarge(image: &[u8], zoom: usize) -> Vec<u8> {
    let side = SIDE * zoom;
    (0..side * side)
        .flat_map(|at| [255 - image[at / side / zoom * SIDE + at % side / zoom]; 3])
        .collect()
}
