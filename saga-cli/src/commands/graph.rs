//! `graph`: a picture of a saga.

use super::reader;
use crate::args::{Global, GraphArgs, GraphFormat};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::escape::visible;

pub(super) async fn graph(
    global: &Global,
    output: &Output,
    args: GraphArgs,
) -> Result<Exit, Failure> {
    let view = reader(global).await?.view(&args.id).await?;
    let graph =
        view.graph().map_err(|error| Failure::error(format!("saga {}: {error}", args.id)))?;
    let states = view.node_states();
    let states = Some(&states).filter(|_| !args.bare);
    let text = match args.format {
        GraphFormat::Dot => graph.to_dot(states),
        GraphFormat::Mermaid => graph.to_mermaid(states),
        GraphFormat::Svg => graph.to_svg(states),
    };
    // as a JSON string, if JSON is asked for
    output.show(&text, |text| visible(text))?;
    Ok(Exit::Done)
}
