// Goes into a copy of a report in a test: what a reader would see of its charts and tables, as JSON in the page.
{
    const found = { wide: document.documentElement.scrollWidth - innerWidth, charts: 0, small: [], overlapping: [], cut: [], again: [] };
    const name = (svg) => svg.closest("figure").querySelector("figcaption").textContent;
    for (const svg of document.querySelectorAll(".charts svg")) {
        const frame = svg.getBoundingClientRect();
        // Of a part that is folded up.
        if (frame.width === 0) continue;
        found.charts += 1;
        const scale = frame.width / svg.viewBox.baseVal.width;
        const texts = [...svg.querySelectorAll("text")].map((text) => {
            const { left, right, top, bottom } = text.getBoundingClientRect();
            const middle = (top + bottom) / 2, half = 0.3 * (bottom - top);
            return { what: text.textContent.trim(), size: scale * parseFloat(text.getAttribute("font-size")), anchor: text.getAttribute("text-anchor"), left, right, top: middle - half, bottom: middle + half };
        });
        for (const [i, a] of texts.entries()) {
            if (a.size < 11) found.small.push([name(svg), a.what, a.size]);
            if (a.left < frame.left - 1 || a.right > frame.right + 1) found.cut.push([name(svg), a.what]);
            for (const b of texts.slice(i + 1)) {
                if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom && b.top < a.bottom) found.overlapping.push([name(svg), a.what, b.what]);
                if (a.what === b.what && a.anchor === b.anchor) found.again.push([name(svg), a.what]);
            }
        }
    }
    for (const table of document.querySelectorAll("table")) {
        const box = table.closest(".wide"), frame = table.getBoundingClientRect();
        if (frame.right > innerWidth && !(box && getComputedStyle(box).overflowX === "auto")) found.cut.push(["a table", table.textContent.slice(0, 40)]);
    }
    const result = document.createElement("script");
    result.type = "application/json";
    result.id = "measured";
    result.textContent = JSON.stringify(found);
    document.body.append(result);
}
