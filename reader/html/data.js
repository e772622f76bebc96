// What the page holds and how it is written down: the two data elements, names, numbers.  The page's script
// is data.js, shape.js, graph.js, timeline.js and viewer.js, one after the other in one function
// (viewer.html); it asks nothing of any network.  Names come from the recorded program and are hostile:
// they reach the page by textContent and fillText only.
'use strict';
const $ = id => document.getElementById(id);
const meta = JSON.parse($('meta').textContent);
const KINDS = ['native', 'inlined', 'python', 'special', 'thread'];

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
	const zigzag = () => {
		const v = varint();
		return v % 2 ? -(v + 1) / 2 : v / 2;
	};
	const text = new TextDecoder();
	const strings = Array.from({length: varint()}, () => {
		const length = varint();
		return text.decode(bytes.subarray(at, at += length));
	});
	const frames = Array.from({length: varint()}, () => ({
		name: strings[varint()],
		file: strings[varint()],
		module: strings[varint()],
		line: varint(),
		first: varint(),
		kind: KINDS[varint()] || 'special',
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
		const key = lines ? i : [
			f.kind, f.name, f.file, f.module, f.kind === 'python' ? f.first : 0
		].join('\0');
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
const clean = s =>
	s.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, c => {
		const code = c.charCodeAt(0);
		return code < 256 ? '\\x' + code.toString(16).padStart(2, '0')
				  : '\\u{' + code.toString(16) + '}';
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
	return clean((f.name || '(no name)') + (place ? ` (${place})` : '') +
		     (f.kind === 'inlined' ? ' [inlined]' : ''));
}

// ---- numbers ------------------------------------------------------------------------------------

function scaled(value, step, units) {
	let i = 0;
	while (Math.abs(value) >= step && i < units.length - 1) {
		value /= step;
		i++;
	}
	return (i ? value.toFixed(value < 10	? 2
				  : value < 100 ? 1
						: 0)
		  : Math.round(value)) +
	       ' ' + units[i];
}
function amount(value, unit) {
	if (unit === 'bytes')
		return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
	if (unit === 'ns')
		return value < 1e9 ? scaled(value, 1000, ['ns', '\u00b5s', 'ms'])
				   : (value / 1e9).toFixed(2) + ' s';
	return value.toLocaleString('en-US');
}
const percent = (part, whole) =>
	(whole ? 100 * part / whole : 0).toFixed(part && part < whole / 1000 ? 2 : 1) + '%';
const exact = (value, unit) =>
	amount(value, unit) + (unit === 'count' ? '' : ` (${value.toLocaleString('en-US')} ${unit})`) + ',';
