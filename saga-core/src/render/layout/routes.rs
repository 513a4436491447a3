//! Everything in its place: the layers one below the other, and the edges between them.

use super::bends::Net;
use super::{GAP, LAYER_GAP, Layout, MAX_LAYER_GAP, Point, Size, at, list};

/// The upper and the lower end of a layer.
#[derive(Clone, Copy, Default)]
struct Band {
    top: f64,
    bottom: f64,
}

pub(super) fn lay_out(
    sizes: &[Size],
    edges: &[(usize, usize)],
    net: &Net,
    layers: &[Vec<usize>],
    centers: &[f64],
) -> Layout {
    let bands = bands(sizes, net, layers, centers);
    let band = |vertex: usize| at(&bands, at(&net.layer, vertex));
    let places = sizes.iter().zip(centers).enumerate();
    let places =
        places.map(|(node, (size, x))| Point { x: x - size.width / 2.0, y: band(node).top });
    let places = places.collect::<Vec<_>>();
    let routes = edges.iter().map(|&(from, to)| {
        let x = at(centers, from);
        let bottom = at(&places, from).y + at(sizes, from).height;
        let mut route = vec![Point { x, y: bottom }, Point { x, y: band(from).bottom }];
        let passed = net.span(from, to).saturating_sub(1);
        for bend in list(&net.chains, from).iter().take(passed) {
            let (x, band) = (at(centers, *bend), band(*bend));
            route.extend([Point { x, y: band.top }, Point { x, y: band.bottom }]);
        }
        route.push(Point { x: at(centers, to), y: band(to).top });
        route
    });
    let routes = routes.collect::<Vec<_>>();
    let rights = places.iter().zip(sizes).map(|(place, size)| place.x + size.width);
    let bends = centers.iter().skip(sizes.len()).copied();
    let size = Size {
        width: rights.chain(bends).fold(0.0, f64::max),
        height: bands.last().map(|band| band.bottom).unwrap_or_default(),
    };
    Layout { size, places, routes }
}

fn bands(sizes: &[Size], net: &Net, layers: &[Vec<usize>], centers: &[f64]) -> Vec<Band> {
    let mut top = 0.0;
    let bands = layers.iter().map(|layer| {
        let heights = layer.iter().filter_map(|vertex| sizes.get(*vertex)).map(|size| size.height);
        let bottom = top + heights.fold(0.0, f64::max);
        let ends = layer.iter().flat_map(|v| list(&net.below, *v).iter().map(move |to| (*v, *to)));
        let sideways = ends.map(|(from, to)| (at(centers, from) - at(centers, to)).abs());
        // A curve that runs far sideways would be almost level.
        let farthest = (sideways.fold(0.0, f64::max) - GAP).max(0.0);
        let band = Band { top, bottom };
        top = bottom + (LAYER_GAP + farthest / 16.0).min(MAX_LAYER_GAP);
        band
    });
    bands.collect()
}
