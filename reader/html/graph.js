// The flame graph on a canvas that is never taller than its window: only rows in sight are drawn, and of
// them only what is wide enough to be seen.

const ROW = 20, CULL = 0.5, FONT = '12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
const canvas = $('canvas'), scroll = $('scroll');
let ctx = canvas.getContext('2d'), charWidth = 7.2, colours, fills = {}, ratio = 1;

const isDark = () => {
	const theme = document.documentElement.dataset.theme;
	return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

// Python is warm with a bar at its left, native is cool and plain, inlined is hatched, special is dotted
// grey: the patterns tell them apart without colour.
function palette() {
	const dark = isDark();
	const look = (hue, spread, saturation, light) => ({hue, spread, saturation, light});
	colours = {
		dark,
		text: dark ? '#f2f3f5' : '#16191f',
		page: dark ? '#15171b' : '#ffffff',
		edge: dark ? 'rgba(255,255,255,.85)' : 'rgba(0,0,0,.85)',
		ink: dark ? 'rgba(255,255,255,.17)' : 'rgba(0,0,0,.16)',
		bar: dark ? '#ffb84d' : '#b35c00',
		area: dark ? '#35577f' : '#a9c8f0',
		match: dark ? '#8f2474' : '#f3a6de',
		rest: dark ? '#2b2f37' : '#e3e6ea',
		python: dark ? look(32, 14, 52, 31) : look(40, 12, 92, 74),
		native: dark ? look(212, 16, 38, 34) : look(210, 14, 62, 80),
		inlined: dark ? look(180, 12, 32, 30) : look(176, 12, 42, 80),
		special: dark ? look(220, 0, 5, 33) : look(220, 0, 8, 82),
		thread: dark ? look(268, 8, 24, 36) : look(268, 8, 45, 86),
	};
	fills = {
		hatch: tile(8,
			c => {
				c.lineWidth = 1.6;
				for (const x of [-8, 0, 8]) {
					c.moveTo(x - 2, 10);
					c.lineTo(x + 10, -2);
				}
				c.stroke();
			}),
		dots: tile(6, c => c.fillRect(2, 2, 2, 2))
	};
}

function tile(size, paint) {
	const t = document.createElement('canvas');
	t.width = t.height = size;
	const c = t.getContext('2d');
	c.strokeStyle = c.fillStyle = colours.ink;
	c.beginPath();
	paint(c);
	return ctx.createPattern(t, 'repeat');
}

// A stable shade for each file or library, within its kind's hue.
function shade(f) {
	if (f.colourOf === colours)
		return f.colour;
	const look = colours[f.kind], key = f.file || f.module || f.name;
	let h = 7;
	for (let i = 0; i < key.length; i++)
		h = (h * 31 + key.charCodeAt(i)) | 0;
	h = (h ^ h >>> 15) >>> 0;
	const hue = look.hue + (h % 1000 / 500 - 1) * look.spread, light = look.light + (h / 1000 % 1 - 0.5) * 7;
	f.colour = `hsl(${hue} ${look.saturation}% ${light}%)`;
	f.colourOf = colours;
	return f.colour;
}

const width = () => canvas.clientWidth || 1;

// Rows to show: the zoomed box's ancestors, then everything below it that is wide enough to be seen.
function relayout() {
	path = [];
	for (let i = state.zoom;; i = shape.parent[i]) {
		path.unshift(i);
		if (!i)
			break;
	}
	const least = weights.total[state.zoom] / width() * CULL, from = state.zoom,
	      inside = new Uint8Array(shape.n);
	let deepest = shape.depth[from];
	inside[from] = 1;
	for (let i = from + 1; i < shape.n; i++)
		if (inside[shape.parent[i]] && weights.total[i] > 0 && weights.total[i] >= least) {
			inside[i] = 1;
			deepest = Math.max(deepest, shape.depth[i]);
		}
	depthShown = deepest + 1;
	$('space').style.height = fullHeight() + 'px';
	resize();
}

function resize() {
	ratio = window.devicePixelRatio || 1;
	const h = scroll.clientHeight;
	canvas.style.height = h + 'px';
	canvas.width = Math.round(width() * ratio);
	canvas.height = Math.round(h * ratio);
	draw();
}

// Rows count from the root; with the root at the bottom they are mirrored in the whole height.
const fullHeight = () => Math.max(depthShown * ROW + 4, scroll.clientHeight);
const rowTop = depth => (state.invert ? fullHeight() - (depth + 1) * ROW : depth * ROW) - scroll.scrollTop;
function rowAt(y) {
	const from = y + scroll.scrollTop;
	return Math.floor((state.invert ? fullHeight() - from : from) / ROW);
}

function fit(label, room) {
	const chars = Math.floor(room / charWidth);
	return label.length <= chars ? label : chars < 3 ? '' : label.slice(0, chars - 1) + '\u2026';
}

function box(node, x, y, w, faded) {
	const f = shape.fn[node] < 0 ? null : data.frames[shape.fns.list[shape.fn[node]]];
	const hit = f && matches && matches[shape.fn[node]];
	const room = w > 3 ? w - 1 : w;
	ctx.globalAlpha = faded ? 0.6 : 1;
	ctx.fillStyle = !f ? colours.rest : hit ? colours.match : matches ? colours.rest : shade(f);
	ctx.fillRect(x, y, room, ROW - 1);
	if (f && w > 2) {
		if (f.kind === 'inlined' || f.kind === 'special') {
			ctx.fillStyle = f.kind === 'inlined' ? fills.hatch : fills.dots;
			ctx.fillRect(x, y, room, ROW - 1);
		} else if (f.kind === 'python' && w > 12) {
			ctx.fillStyle = colours.bar;
			ctx.fillRect(x, y, 3, ROW - 1);
		}
	}
	if (w > 26) {
		const label = fit(f ? cachedLabel(f) : 'all', w - 12);
		ctx.fillStyle = colours.text;
		if (label)
			ctx.fillText(label, x + 7, y + ROW / 2, w - 9);
	}
	ctx.globalAlpha = 1;
	if (hit && w > 8) {
		ctx.strokeStyle = colours.edge;
		ctx.strokeRect(x + 0.5, y + 0.5, room - 1, ROW - 2);
	}
	if (node === selected && (document.activeElement === canvas || selected) ||
		node === hover && hover) {
		ctx.strokeStyle = colours.edge;
		ctx.lineWidth = node === selected ? 2 : 1;
		ctx.strokeRect(x + 1, y + 1, Math.max(room - 2, 1), ROW - 3);
		ctx.lineWidth = 1;
	}
}

function cachedLabel(f) {
	if (f.labelLines !== state.lines) {
		f.labelLines = state.lines;
		f.label = labelOf(f);
	}
	return f.label;
}

// What is too narrow for a box of its own: one dotted strip for the rest of a row.
function rest(x, y, w) {
	ctx.fillStyle = colours.rest;
	ctx.fillRect(x, y, w, ROW - 1);
	if (w > 2) {
		ctx.fillStyle = fills.dots;
		ctx.fillRect(x, y, w, ROW - 1);
	}
}

function draw() {
	if (!weights)
		return;
	const w = width(), h = scroll.clientHeight, {total, start, child, left} = weights;
	const whole = total[state.zoom], origin = left[state.zoom], scale = whole ? w / whole : 0;
	ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
	ctx.fillStyle = colours.page;
	ctx.fillRect(0, 0, w, h);
	ctx.font = FONT;
	ctx.textBaseline = 'middle';
	charWidth = ctx.measureText('MMMMMMMMMM').width / 10;
	if (!whole)
		return;
	const seen = y => y > -ROW && y < h;
	path.forEach((node, depth) => seen(rowTop(depth)) &&
				      box(node, 0, rowTop(depth), w, depth < path.length - 1));
	const stack = [state.zoom];
	while (stack.length) {
		const node = stack.pop(), y = rowTop(shape.depth[node] + 1);
		if (state.invert ? y < -ROW : y > h)
			continue;
		for (let c = start[node]; c < start[node + 1]; c++) {
			const i = child[c], x = (left[i] - origin) * scale, wide = total[i] * scale;
			if (wide < CULL) { // they are sorted: so are all that follow
				const last = child[start[node + 1] - 1],
				      end = (left[last] + total[last] - origin) * scale;
				if (end - x >= 1 && seen(y))
					rest(x, y, end - x);
				break;
			}
			if (seen(y))
				box(i, x, y, wide, false);
			stack.push(i);
		}
	}
}

function nodeAt(px, py) {
	const row = rowAt(py), {total, start, child, left} = weights;
	if (row < 0 || row >= depthShown || !total[state.zoom])
		return -1;
	if (row < path.length)
		return path[row];
	const value = left[state.zoom] + px / width() * total[state.zoom];
	let node = state.zoom;
	while (shape.depth[node] < row) {
		let next = -1;
		for (let c = start[node]; c < start[node + 1]; c++) {
			const i = child[c];
			if (value >= left[i] && value < left[i] + total[i]) {
				next = i;
				break;
			}
		}
		if (next < 0)
			return -1;
		node = next;
	}
	return node;
}
