// The viewer: reads the two data elements of its page, asks nothing of any network.
// data -> shape (boxes: equal functions merged) -> weights (one measure) -> layout -> canvas, table.
// Every tree here is in topological order (a parent's index is smaller), so sums are one loop backwards.
// Names come from the recorded program and are hostile: they reach the page through textContent and fillText only.
'use strict';
(() => {
const $ = id => document.getElementById(id);
const meta = JSON.parse($('meta').textContent);
const KINDS = ['native', 'inlined', 'python', 'special', 'thread'];
const ROW = 20, CULL = 0.5, FONT = '12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

// ---- data ---------------------------------------------------------------------------------------

function base64(text) {
	if (Uint8Array.fromBase64)
		return Uint8Array.fromBase64(text);
	const s = atob(text), bytes = new Uint8Array(s.length);
	for (let i = 0; i < s.length; i++)
		bytes[i] = s.charCodeAt(i);
	return bytes;
}

async function inflate(bytes) {
	const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The columns that out_html.c writes, in its order.
function decode(bytes) {
	let at = 0;
	const varint = () => {
		let value = 0, scale = 1, byte;
		do {
			byte = bytes[at++];
			value += (byte & 127) * scale;
			scale *= 128;
		} while (byte & 128);
		return value;
	};
	const zigzag = () => { const v = varint(); return v % 2 ? -(v + 1) / 2 : v / 2; };
	const text = new TextDecoder();
	const strings = Array.from({length: varint()}, () => {
		const length = varint();
		return text.decode(bytes.subarray(at, at += length));
	});
	const frames = Array.from({length: varint()}, () => ({
		name: strings[varint()], file: strings[varint()], module: strings[varint()],
		line: varint(), first: varint(), kind: KINDS[varint()] || 'special',
	}));
	frames.push({name: '(other)', file: '', module: '', line: 0, first: 0, kind: 'special'});
	const n = varint(), parent = new Int32Array(n), frame = new Int32Array(n).fill(-1);
	for (let i = 1; i < n; i++)
		parent[i] = i - varint();
	for (let i = 1; i < n; i++)
		frame[i] = (varint() || frames.length) - 1;
	const self = {};
	for (const m of meta.measures) {
		const column = self[m.word] = new Float64Array(n);
		for (let i = 0; i < n; i++)
			column[i] = zigzag();
	}
	return {frames, n, parent, frame, self};
}

let data;

// Frame -> function: what --by function would call equal.
function functionsOf(frames, lines) {
	const of = new Int32Array(frames.length), list = [], seen = new Map();
	frames.forEach((f, i) => {
		const key = lines ? i : [f.kind, f.name, f.file, f.module, f.kind === 'python' ? f.first : 0].join('\0');
		if (!seen.has(key)) {
			seen.set(key, list.length);
			list.push(i);
		}
		of[i] = seen.get(key);
	});
	return {of, list};
}

// ---- names --------------------------------------------------------------------------------------

// Controls, bidirectional overrides and line separators are shown, not obeyed.
const clean = s => s.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, c => {
	const code = c.charCodeAt(0);
	return code < 256 ? '\\x' + code.toString(16).padStart(2, '0') : '\\u{' + code.toString(16) + '}';
});
const base = path => path.slice(path.lastIndexOf('/') + 1);

function lineOf(f) {
	const line = state.lines ? f.line : 0;
	return line || (f.kind === 'python' ? f.first : 0);
}
function placeOf(f) {
	const line = lineOf(f);
	return f.file ? f.file + (line ? ':' + line : '') : f.module;
}
// As lode_frame_label writes it.
function labelOf(f) {
	const place = f.kind === 'special' || f.kind === 'thread' ? '' : base(placeOf(f));
	return clean((f.name || '(no name)') + (place ? ` (${place})` : '') + (f.kind === 'inlined' ? ' [inlined]' : ''));
}

// ---- numbers ------------------------------------------------------------------------------------

function scaled(value, step, units) {
	let i = 0;
	while (Math.abs(value) >= step && i < units.length - 1) {
		value /= step;
		i++;
	}
	return (i ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : Math.round(value)) + ' ' + units[i];
}
function amount(value, unit) {
	if (unit === 'bytes')
		return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
	if (unit === 'ns')
		return value < 1e9 ? scaled(value, 1000, ['ns', '\u00b5s', 'ms']) : (value / 1e9).toFixed(2) + ' s';
	return value.toLocaleString('en-US');
}
const percent = (part, whole) => (whole ? 100 * part / whole : 0).toFixed(part && part < whole / 1000 ? 2 : 1) + '%';
const exact = (value, unit) => amount(value, unit) + (unit === 'count' ? '' : ` (${value.toLocaleString('en-US')} ${unit})`) + ',';

// ---- shape and weights --------------------------------------------------------------------------

// The boxes: data nodes with equal functions below equal boxes are one.
function shapeOf(lines) {
	const fns = functionsOf(data.frames, lines), of = new Int32Array(data.n), parent = [0], fn = [-1], depth = [0], first = [0];
	const children = new Map();
	for (let i = 1; i < data.n; i++) {
		const p = of[data.parent[i]], f = fns.of[data.frame[i]], key = p * fns.list.length + f;
		let id = children.get(key);
		if (id === undefined) {
			children.set(key, id = parent.length);
			parent.push(p);
			fn.push(f);
			depth.push(depth[p] + 1);
			first.push(i);
		}
		of[i] = id;
	}
	return {fns, of, n: parent.length, parent: Int32Array.from(parent), fn: Int32Array.from(fn),
		depth: Int32Array.from(depth), first: Int32Array.from(first)};
}

// One measure on a shape: self, total, children (largest first) and each box's left edge, in units of the measure.
function weigh(shape, word) {
	const {n, parent} = shape, self = new Float64Array(n), column = data.self[word];
	for (let i = 0; i < data.n; i++)
		self[shape.of[i]] += column ? column[i] : 0;
	const total = Float64Array.from(self);
	for (let i = n - 1; i > 0; i--)
		total[parent[i]] += total[i];
	const start = new Int32Array(n + 2);
	for (let i = 1; i < n; i++)
		if (total[i] > 0)
			start[parent[i] + 2]++;
	for (let i = 0; i <= n; i++)
		start[i + 1] += start[i];
	const child = new Int32Array(start[n + 1]);
	for (let i = 1; i < n; i++)
		if (total[i] > 0)
			child[start[parent[i] + 1]++] = i;
	const left = new Float64Array(n);
	for (let i = 0; i < n; i++) {
		const list = child.subarray(start[i], start[i + 1]);
		if (list.length > 1)
			list.sort((a, b) => total[b] - total[a] || a - b);
		let x = left[i];
		for (const c of list) {
			left[c] = x;
			x += total[c];
		}
	}
	return {self, total, start, child, left};
}

// Table rows, as `--by function` makes them: the kind does not matter, a thread as root frame is none.  Total counts once
// per stack, so that recursion does not count twice: a walk in pre-order with a count of open boxes for each row.
function aggregate(word, lines = false) {
	const s = shapes(lines), w = weigh(s, word), rows = [], seen = new Map();
	const rowOf = s.fns.list.map(frame => {
		const f = data.frames[frame], at = lines ? f.line : f.kind === 'python' ? f.first : 0;
		const key = [f.name, f.file, f.module, at].join('\0');
		if (f.kind === 'thread')
			return -1;
		if (!seen.has(key)) {
			seen.set(key, rows.length);
			rows.push({...f, self: 0, total: 0, open: 0, fns: []});
		}
		return seen.get(key);
	});
	rowOf.forEach((row, fn) => row >= 0 && rows[row].fns.push(fn));
	const stack = [0];
	while (stack.length) {
		const top = stack.pop(), i = top < 0 ? ~top : top, row = i ? rows[rowOf[s.fn[i]]] : null;
		if (top < 0) {
			row.open--;
			continue;
		}
		if (row) {
			row.self += w.self[i];
			if (!row.open++)
				row.total += w.total[i];
			stack.push(~i);
		}
		for (let c = w.start[i]; c < w.start[i + 1]; c++)
			stack.push(w.child[c]);
	}
	return rows.filter(r => r.self || r.total);
}

const made = {};
const shapes = lines => made[lines] || (made[lines] = shapeOf(lines));

// ---- state --------------------------------------------------------------------------------------

const state = {measure: meta.measure, search: '', view: 'flame', invert: false, lines: false, zoom: 0, sort: 'self', up: false, rows: 200};
let shape, weights, measure, selected = 0, matches = null, matched = [], matchAt = -1, path = [0], depthShown = 1, hover = 0;

function readHash() {
	const h = new URLSearchParams(location.hash.slice(1));
	state.measure = meta.measures.some(m => m.word === h.get('m')) ? h.get('m') : meta.measure;
	state.search = h.get('s') || '';
	state.view = h.get('v') === 'top' ? 'top' : 'flame';
	state.invert = h.get('i') === '1';
	state.lines = h.get('l') === '1';
	state.sort = ['self', 'total', 'name'].includes(h.get('o')) ? h.get('o') : 'self';
	const z = Number(h.get('z') || 0);
	state.node = Number.isInteger(z) && z > 0 && z < data.n ? z : 0;
}

// The zoom is kept as a data node: it means the same with and without lines.
function writeHash() {
	const h = new URLSearchParams(), put = (key, value, usual) => value !== usual && h.set(key, value);
	put('m', state.measure, meta.measure);
	put('s', state.search, '');
	put('v', state.view, 'flame');
	put('i', state.invert ? '1' : '0', '0');
	put('l', state.lines ? '1' : '0', '0');
	put('o', state.sort, 'self');
	put('z', String(shape.first[state.zoom]), '0');
	const text = h.toString();
	history.replaceState(null, '', text ? '#' + text : location.pathname + location.search);
}

function reshape() {
	shape = shapes(state.lines);
	state.zoom = shape.of[state.node];
	selected = hover = 0;
}

function reweigh() {
	measure = meta.measures.find(m => m.word === state.measure) || {word: '', unit: 'count', text: 'nothing', total: 0};
	weights = weigh(shape, measure.word);
	if (!weights.total[state.zoom])
		state.zoom = 0;
}

// ---- search -------------------------------------------------------------------------------------

// Lower-case patterns ignore case; a pattern that is no regular expression is taken literally.
function pattern(text) {
	const flags = text === text.toLowerCase() ? 'iu' : 'u';
	try {
		return [new RegExp(text, flags), true];
	} catch {
		return [new RegExp(text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), flags), false];
	}
}

const within = (node, root) => {
	while (node > root)
		node = shape.parent[node];
	return node === root;
};

// Marks functions; adds up the topmost matches below the zoom, so that overlap does not count twice.
function search() {
	const input = $('search');
	input.removeAttribute('aria-invalid');
	matched = [];
	matchAt = -1;
	matches = null;
	$('matched').textContent = '';
	if (!state.search)
		return;
	const [re, good] = pattern(state.search);
	if (!good)
		input.setAttribute('aria-invalid', 'true');
	matches = new Uint8Array(shape.fns.list.length);
	shape.fns.list.forEach((frame, f) => {
		const {name, file, module} = data.frames[frame];
		matches[f] = re.test(name) || re.test(file) || re.test(module) || re.test(labelOf(data.frames[frame])) ? 1 : 0;
	});
	const sum = sumMatches(state.zoom);
	matched = sum.nodes.sort((a, b) => weights.total[b] - weights.total[a]);
	$('matched').textContent = `${percent(sum.total, weights.total[state.zoom])} matched` +
		(good ? '' : ' (as plain text)') + `, ${sum.nodes.length.toLocaleString('en-US')} boxes`;
}

function sumMatches(root) {
	const covered = new Uint8Array(shape.n), inside = new Uint8Array(shape.n), nodes = [];
	let total = 0;
	inside[root] = 1;
	covered[root] = 0;
	for (let i = root; i < shape.n; i++) {
		const p = shape.parent[i];
		if (i !== root)
			inside[i] = i > root ? inside[p] : 0;
		if (!inside[i] || !weights.total[i] || shape.fn[i] < 0)
			continue;
		if (i !== root && covered[p]) {
			covered[i] = 1;
		} else if (matches[shape.fn[i]]) {
			covered[i] = 1;
			nodes.push(i);
			total += weights.total[i];
		}
	}
	return {total, nodes};
}

function nextMatch(step) {
	if (!matched.length)
		return;
	matchAt = (matchAt + step + matched.length + (matchAt < 0 && step < 0 ? 1 : 0)) % matched.length;
	const node = matched[matchAt];
	if (!within(node, state.zoom) || weights.total[node] / weights.total[state.zoom] * width() < 24)
		zoomTo(node);
	select(node);
	say(`match ${matchAt + 1} of ${matched.length}: ${describe(node)}`);
}

// ---- canvas -------------------------------------------------------------------------------------

const canvas = $('canvas'), scroll = $('scroll');
let ctx = canvas.getContext('2d'), charWidth = 7.2, colours, fills = {}, ratio = 1;

const isDark = () => {
	const theme = document.documentElement.dataset.theme;
	return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

// Python is warm with a bar at its left, native is cool and plain, inlined is hatched, special is dotted grey: the
// patterns tell them apart without colour.
function palette() {
	const dark = isDark();
	const look = (hue, spread, saturation, light) => ({hue, spread, saturation, light});
	colours = {
		dark,
		text: dark ? '#f2f3f5' : '#16191f', page: dark ? '#15171b' : '#ffffff', edge: dark ? 'rgba(255,255,255,.85)' : 'rgba(0,0,0,.85)',
		ink: dark ? 'rgba(255,255,255,.17)' : 'rgba(0,0,0,.16)', bar: dark ? '#ffb84d' : '#b35c00',
		match: dark ? '#8f2474' : '#f3a6de', rest: dark ? '#2b2f37' : '#e3e6ea',
		python: dark ? look(32, 14, 52, 31) : look(40, 12, 92, 74),
		native: dark ? look(212, 16, 38, 34) : look(210, 14, 62, 80),
		inlined: dark ? look(180, 12, 32, 30) : look(176, 12, 42, 80),
		special: dark ? look(220, 0, 5, 33) : look(220, 0, 8, 82),
		thread: dark ? look(268, 8, 24, 36) : look(268, 8, 45, 86),
	};
	fills = {hatch: tile(8, c => {
		c.lineWidth = 1.6;
		for (const x of [-8, 0, 8]) {
			c.moveTo(x - 2, 10);
			c.lineTo(x + 10, -2);
		}
		c.stroke();
	}), dots: tile(6, c => c.fillRect(2, 2, 2, 2))};
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
	f.colour = `hsl(${look.hue + (h % 1000 / 500 - 1) * look.spread} ${look.saturation}% ${look.light + (h / 1000 % 1 - 0.5) * 7}%)`;
	f.colourOf = colours;
	return f.colour;
}

const width = () => canvas.clientWidth || 1;

// Rows to show: the zoomed box's ancestors, then everything below it that is wide enough to be seen.
function relayout() {
	path = [];
	for (let i = state.zoom; ; i = shape.parent[i]) {
		path.unshift(i);
		if (!i)
			break;
	}
	const least = weights.total[state.zoom] / width() * CULL, from = state.zoom, inside = new Uint8Array(shape.n);
	let deepest = shape.depth[from];
	inside[from] = 1;
	for (let i = from + 1; i < shape.n; i++)
		if (inside[shape.parent[i]] && weights.total[i] > 0 && weights.total[i] >= least) {
			inside[i] = 1;
			deepest = Math.max(deepest, shape.depth[i]);
		}
	depthShown = deepest + 1;
	$('space').style.height = Math.max(depthShown * ROW + 4, scroll.clientHeight) + 'px';
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
const rowTop = depth => (state.invert ? Math.max(depthShown * ROW + 4, scroll.clientHeight) - (depth + 1) * ROW : depth * ROW) - scroll.scrollTop;
const rowAt = y => Math.floor((state.invert ? Math.max(depthShown * ROW + 4, scroll.clientHeight) - (y + scroll.scrollTop) : y + scroll.scrollTop) / ROW);

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
		const label = fit(f ? f.label && f.labelLines === state.lines ? f.label : cacheLabel(f) : 'all', w - 12);
		ctx.fillStyle = colours.text;
		if (label)
			ctx.fillText(label, x + 7, y + ROW / 2, w - 9);
	}
	ctx.globalAlpha = 1;
	if (hit && w > 8) {
		ctx.strokeStyle = colours.edge;
		ctx.strokeRect(x + 0.5, y + 0.5, room - 1, ROW - 2);
	}
	if (node === selected && (document.activeElement === canvas || selected) || node === hover && hover) {
		ctx.strokeStyle = colours.edge;
		ctx.lineWidth = node === selected ? 2 : 1;
		ctx.strokeRect(x + 1, y + 1, Math.max(room - 2, 1), ROW - 3);
		ctx.lineWidth = 1;
	}
}

function cacheLabel(f) {
	f.labelLines = state.lines;
	return f.label = labelOf(f);
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
	path.forEach((node, depth) => seen(rowTop(depth)) && box(node, 0, rowTop(depth), w, depth < path.length - 1));
	const stack = [state.zoom];
	while (stack.length) {
		const node = stack.pop(), y = rowTop(shape.depth[node] + 1);
		if (state.invert ? y < -ROW : y > h)
			continue;
		for (let c = start[node]; c < start[node + 1]; c++) {
			const i = child[c], x = (left[i] - origin) * scale, wide = total[i] * scale;
			if (wide < CULL) { // they are sorted: so are all that follow
				const last = child[start[node + 1] - 1], end = (left[last] + total[last] - origin) * scale;
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

// ---- words --------------------------------------------------------------------------------------

const frameOf = node => shape.fn[node] < 0 ? null : data.frames[shape.fns.list[shape.fn[node]]];
const nameOf = node => node ? labelOf(frameOf(node)) : 'all';

function describe(node) {
	const {total, self} = weights, whole = total[0];
	return `${nameOf(node)}: ${amount(total[node], measure.unit)}, ${percent(total[node], whole)}; self ${amount(self[node], measure.unit)}, ${percent(self[node], whole)}`;
}

const say = text => { $('status').textContent = text; };

function tip(node, x, y) {
	const t = $('tip'), f = frameOf(node), whole = weights.total[0], line = (text, kind) => {
		const e = document.createElement(kind || 'div');
		e.textContent = text;
		t.append(e);
		return e;
	};
	t.textContent = '';
	line(f ? clean(f.name || '(no name)') : 'all', 'b');
	const values = `total ${exact(weights.total[node], measure.unit)} ${percent(weights.total[node], whole)}` +
		(state.zoom ? `, of the zoom ${percent(weights.total[node], weights.total[state.zoom])}` : '');
	line(values).className = 'value';
	line(`self ${exact(weights.self[node], measure.unit)} ${percent(weights.self[node], whole)}`).className = 'value';
	if (f) {
		if (f.file)
			line(clean(placeOf(f)));
		if (f.module)
			line(clean(f.module));
		line(f.kind);
	}
	t.hidden = false;
	const w = t.offsetWidth, h = t.offsetHeight;
	t.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 4)) + 'px';
	t.style.top = (y + 18 + h > innerHeight ? Math.max(4, y - h - 10) : y + 18) + 'px';
}

function crumbs() {
	const nav = $('crumbs');
	nav.textContent = '';
	nav.hidden = !state.zoom;
	const shown = path.length > 7 ? [path[0], -1, ...path.slice(-5)] : path;
	shown.forEach((node, at) => {
		if (at) {
			const i = document.createElement('i');
			i.textContent = '\u203a';
			nav.append(i);
		}
		if (node < 0) {
			nav.append('\u2026');
			return;
		}
		const b = document.createElement('button');
		b.type = 'button';
		b.textContent = nameOf(node);
		if (node === state.zoom)
			b.setAttribute('aria-current', 'location');
		b.onclick = () => zoomTo(node);
		nav.append(b);
	});
}

function facts() {
	const list = [`${amount(measure.total, measure.unit)} ${measure.text}`];
	if (meta.duration_ns)
		list.push(`${amount(meta.duration_ns, 'ns')} recorded`);
	if (meta.process_count)
		list.push(`${meta.process_count} process${meta.process_count > 1 ? 'es' : ''}, ${meta.thread_count} thread${meta.thread_count > 1 ? 's' : ''}`);
	if (meta.command)
		list.push(clean(meta.command));
	list.push(`lode ${meta.lode}`);
	$('facts').textContent = list.join(' \u00b7 ');
}

function notices() {
	const list = meta.notices.map(n => n.text), ul = $('notices');
	if (meta.folded_nodes)
		list.unshift(`${meta.folded_nodes.toLocaleString('en-US')} boxes below ${(meta.folded_below * 100).toPrecision(2)} % of every measure are folded into "(other)" to keep this page small.`);
	if (meta.truncated)
		list.unshift('The recording ended early or was damaged: this is what could be read.');
	if (meta.lost_events || meta.lost_samples)
		list.unshift(`Lost while recording: ${meta.lost_events.toLocaleString('en-US')} events, ${meta.lost_samples.toLocaleString('en-US')} samples.`);
	if (!meta.measures.length)
		list.unshift('Nothing was recorded: every measure is zero.');
	for (const text of list) {
		const li = document.createElement('li');
		li.textContent = clean(text);
		ul.append(li);
	}
	ul.hidden = !list.length;
}

function legend() {
	const words = {native: 'native: cool, plain', inlined: 'inlined: hatched', python: 'Python: warm, bar at the left', special: 'special: dotted', thread: 'thread or process'};
	const used = new Set(data.frames.slice(0, -1).map(f => f.kind)), list = $('legend');
	list.textContent = '';
	const page = ctx;
	for (const kind of ['python', 'native', 'inlined', 'special', 'thread'].filter(k => used.has(k))) {
		const li = document.createElement('li'), c = document.createElement('canvas');
		c.setAttribute('aria-hidden', 'true');
		c.width = 28 * ratio;
		c.height = 14 * ratio;
		ctx = c.getContext('2d');
		ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
		ctx.fillStyle = shade({kind, file: '', module: '', name: kind});
		ctx.fillRect(0, 0, 28, 14);
		ctx.fillStyle = kind === 'inlined' ? fills.hatch : kind === 'special' ? fills.dots : kind === 'python' ? colours.bar : 'transparent';
		ctx.fillRect(0, 0, kind === 'python' ? 3 : 28, 14);
		li.append(c, words[kind]);
		list.append(li);
	}
	ctx = page;
}

// ---- table --------------------------------------------------------------------------------------

function table() {
	const order = {self: (a, b) => a.self - b.self || a.total - b.total, total: (a, b) => a.total - b.total || a.self - b.self,
		name: (a, b) => a.name < b.name ? 1 : a.name > b.name ? -1 : a.self - b.self}[state.sort];
	let rows = aggregate(measure.word, state.lines);
	if (matches)
		rows = rows.filter(r => r.fns.some(fn => matches[fn]));
	rows.sort((a, b) => state.up ? order(a, b) : order(b, a));
	$('top-caption').textContent = `${rows.length.toLocaleString('en-US')} functions${matches ? ' that match' : ''}, by ${measure.text}; a function's total counts recursion once.`;
	for (const b of document.querySelectorAll('[data-sort]'))
		if (b.dataset.sort === state.sort)
			b.parentNode.setAttribute('aria-sort', state.up === (state.sort === 'name') ? 'descending' : 'ascending');
		else
			b.parentNode.removeAttribute('aria-sort');
	const body = $('rows'), whole = weights.total[0];
	body.textContent = '';
	for (const r of rows.slice(0, state.rows)) {
		const tr = body.insertRow(), number = value => {
			const td = tr.insertCell(), small = document.createElement('small');
			td.className = 'num';
			small.textContent = percent(value, whole);
			td.append(amount(value, measure.unit), ' ', small);
		};
		number(r.self);
		number(r.total);
		const b = document.createElement('button');
		b.type = 'button';
		b.textContent = clean(r.name || '(no name)');
		b.title = 'Show in the flame graph';
		b.onclick = () => {
			$('search').value = state.search = '^' + r.name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') + '$';
			state.view = 'flame';
			update();
		};
		tr.insertCell().append(b);
		for (const [text, kind] of [[r.kind, 'kind'], [clean(placeOf(r)), 'place']]) {
			const td = tr.insertCell();
			td.textContent = text;
			td.className = kind;
		}
	}
	$('more').hidden = rows.length <= state.rows;
}

// ---- actions ------------------------------------------------------------------------------------

// Scrolls to where the root is.
function toRoot() {
	scroll.scrollTop = state.invert ? scroll.scrollHeight : 0;
	draw();
}

function zoomTo(node) {
	state.zoom = node;
	state.node = shape.first[node];
	selected = node;
	$('tip').hidden = true;
	search();
	relayout();
	toRoot();
	crumbs();
	draw();
	writeHash();
	say(describe(node));
}

function select(node) {
	selected = node;
	const y = rowTop(shape.depth[node]);
	if (y < 0)
		scroll.scrollTop += y - ROW;
	else if (y + ROW > scroll.clientHeight)
		scroll.scrollTop += y + 2 * ROW - scroll.clientHeight;
	draw();
	say(describe(node));
}

function update() {
	$('measure').value = state.measure;
	$('show-flame').setAttribute('aria-pressed', state.view === 'flame');
	$('show-top').setAttribute('aria-pressed', state.view === 'top');
	$('invert').setAttribute('aria-pressed', state.invert);
	$('lines').setAttribute('aria-pressed', state.lines);
	$('flame').hidden = state.view !== 'flame';
	$('top').hidden = state.view !== 'top';
	facts();
	search();
	if (state.view === 'top') {
		table();
	} else {
		relayout();
	}
	crumbs();
	writeHash();
	canvas.setAttribute('aria-label', `Flame graph of ${measure.text}, ${amount(measure.total, measure.unit)}; the table of functions holds the same numbers`);
}

function setMeasure(word) {
	state.measure = word;
	state.node = shape.first[state.zoom];
	reweigh();
	update();
	say(`${measure.text}: ${amount(measure.total, measure.unit)}`);
}

function setLines(on) {
	state.node = shape.first[state.zoom];
	state.lines = on;
	reshape();
	reweigh();
	update();
}

function stepMeasure(step) {
	const all = meta.measures, at = all.findIndex(m => m.word === state.measure);
	if (all.length)
		setMeasure(all[(at + step + all.length) % all.length].word);
}

function setView(view) {
	state.view = view;
	update();
}

function setTheme() {
	document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
	repaint();
}

function repaint() {
	palette();
	legend();
	draw();
}

function escape() {
	if (state.search) {
		$('search').value = state.search = '';
		update();
	} else {
		zoomTo(0);
	}
}

// Left and right stay in the row, across parents of the same zoom.
function sideways(step) {
	const row = [], depth = shape.depth[selected], stack = [state.zoom];
	if (depth <= shape.depth[state.zoom])
		return;
	while (stack.length) {
		const i = stack.pop();
		if (shape.depth[i] === depth) {
			row.push(i);
			continue;
		}
		for (let c = weights.start[i + 1] - 1; c >= weights.start[i]; c--)
			stack.push(weights.child[c]);
	}
	const at = row.indexOf(selected) + step;
	if (at >= 0 && at < row.length)
		select(row[at]);
}

function arrow(key) {
	const down = state.invert ? 'ArrowUp' : 'ArrowDown';
	if (key === 'ArrowLeft' || key === 'ArrowRight')
		sideways(key === 'ArrowLeft' ? -1 : 1);
	else if (key === down && weights.start[selected + 1] > weights.start[selected])
		select(weights.child[weights.start[selected]]);
	else if (key !== down && selected)
		select(shape.parent[selected]);
}

const keys = {
	'/': () => { $('search').focus(); $('search').select(); },
	n: () => nextMatch(1), N: () => nextMatch(-1),
	i: () => { state.invert = !state.invert; update(); toRoot(); },
	l: () => setLines(!state.lines),
	m: () => stepMeasure(1), M: () => stepMeasure(-1),
	1: () => setView('flame'), 2: () => setView('top'),
	0: escape, Escape: escape, d: setTheme,
	Backspace: () => state.zoom && zoomTo(shape.parent[state.zoom]),
	'?': () => $('help').showModal(),
};

function onKey(e) {
	if (e.ctrlKey || e.metaKey || e.altKey || $('help').open)
		return;
	const typing = e.target.tagName === 'INPUT' || e.target.tagName === 'SELECT';
	if (typing) {
		if (e.key === 'Escape') {
			canvas.focus();
			escape();
			e.preventDefault();
		} else if (e.key === 'Enter' && e.target.id === 'search') {
			canvas.focus();
			nextMatch(1);
			e.preventDefault();
		}
		return;
	}
	if (e.target === canvas && e.key.startsWith('Arrow'))
		arrow(e.key);
	else if (e.target === canvas && e.key === 'Enter')
		zoomTo(selected);
	else if (Object.hasOwn(keys, e.key))
		keys[e.key]();
	else
		return;
	e.preventDefault();
}

function wire() {
	const point = e => { const r = canvas.getBoundingClientRect(); return nodeAt(e.clientX - r.left, e.clientY - r.top); };
	let timer;
	document.addEventListener('keydown', onKey);
	$('measure').onchange = e => setMeasure(e.target.value);
	$('show-flame').onclick = () => setView('flame');
	$('show-top').onclick = () => setView('top');
	$('invert').onclick = keys.i;
	$('lines').onclick = keys.l;
	$('ask').onclick = keys['?'];
	$('more').onclick = () => { state.rows += 500; table(); };
	$('search').oninput = e => {
		clearTimeout(timer);
		timer = setTimeout(() => { state.search = e.target.value; update(); }, 80);
	};
	for (const b of document.querySelectorAll('[data-sort]'))
		b.onclick = () => {
			state.up = state.sort === b.dataset.sort && !state.up;
			state.sort = b.dataset.sort;
			table();
			writeHash();
		};
	canvas.onmousemove = e => {
		const node = point(e);
		if (node !== hover) {
			hover = Math.max(node, 0);
			draw();
		}
		if (node < 0)
			$('tip').hidden = true;
		else
			tip(node, e.clientX, e.clientY);
	};
	canvas.onmouseleave = () => { $('tip').hidden = true; hover = 0; draw(); };
	canvas.onclick = e => { const node = point(e); if (node >= 0) zoomTo(node); };
	scroll.onscroll = () => { $('tip').hidden = true; draw(); };
	addEventListener('hashchange', () => { readHash(); $('search').value = state.search; reshape(); reweigh(); update(); });
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
	new ResizeObserver(() => { if (state.view === 'flame') relayout(); }).observe(scroll);
}

async function start() {
	$('app').hidden = false;
	if (typeof DecompressionStream === 'undefined')
		throw new Error('this browser is too old: it has no DecompressionStream');
	data = decode(await inflate(base64($('data').textContent.trim())));
	$('data').remove();
	for (const m of meta.measures)
		$('measure').add(new Option(`${m.text}: ${amount(m.total, m.unit)}`, m.word));
	palette();
	readHash();
	$('search').value = state.search;
	reshape();
	reweigh();
	notices();
	legend();
	wire();
	update();
	toRoot();
	say(meta.measures.length ? 'Click a box to zoom into it; press ? for the keys.' : 'There is nothing to show.');
	// For tests: the numbers that the page shows.
	window.__lode = {
		meta, state,
		totals: word => weigh(shapes(false), word).total[0],
		without_stack: word => weigh(shapes(false), word).self[0],
		aggregate: (word, lines) => aggregate(word, lines),
		matched: () => $('matched').textContent,
		boxes: () => shape.n, zoomTo, nodeAt, describe,
		rowTop,
		find: name => { for (let i = 1; i < shape.n; i++) if (frameOf(i).name === name) return i; return -1; },
	};
}

start().catch(error => {
	$('app').hidden = false;
	say('This page cannot be shown: ' + error.message);
	console.error(error);
});
})();
