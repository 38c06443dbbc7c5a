// The teams of a workgroup of a dense weight gradient: $TEAM invocations each share the strips of one in channel and one tile of
// out channels. $ACROSS neighbouring in channels and $DOWN neighbouring tiles meet in a workgroup, and go along the same strips at the
// same time: what one team loads is in a GPU's first cache for the others.

// The first out channel and the in channel of team `team` of workgroup `index`.
fn tile_of(index: u32, team: u32) -> vec2<u32> {
    let columns = IN_CHANNELS / $ACROSSu;
    let tile = index / columns * $DOWNu + team / $ACROSSu;
    return vec2<u32>(tile * $TILEu, index % columns * $ACROSSu + team % $ACROSSu);
}
