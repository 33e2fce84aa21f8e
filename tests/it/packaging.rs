//! What Vigie is shipped in: the image and the chart, held to what the program itself says.

mod chart;
mod image;
