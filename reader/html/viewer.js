// What the reader of the page does: state and its mirror in the address, search, words, table, keys.

// ---- state --------------------------------------------------------------------------------------

const state = {
	measure: meta.measure,
	search: '',
	view: 'flame',
	invert: false,
	lines: false,
	zoom: 0,
	sort: 'self',
	up: false,
	rows: 200
};
let shape, weights, measure;               // what is shown
let path = [0], depthShown = 1;            // the zoomed box and its ancestors; rows
let selected = 0, hover = 0;               // boxes
let matches = null, matched = [], matchAt = -1; // by function; boxes, the largest first; where n and N are

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
	measure = meta.measures.find(m => m.word === state.measure) ||
		  {word: '', unit: 'count', text: 'nothing', total: 0};
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
		matches[f] = re.test(name) || re.test(file) || re.test(module) ||
					     re.test(labelOf(data.frames[frame]))
				     ? 1
				     : 0;
	});
	const sum = sumMatches(state.zoom);
	matched = sum.nodes.sort((a, b) => weights.total[b] - weights.total[a]);
	$('matched').textContent = `${percent(sum.total, weights.total[state.zoom])} matched` +
				   (good ? '' : ' (as plain text)') +
				   `, ${sum.nodes.length.toLocaleString('en-US')} boxes`;
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

// ---- words --------------------------------------------------------------------------------------

const frameOf = node => shape.fn[node] < 0 ? null : data.frames[shape.fns.list[shape.fn[node]]];
const nameOf = node => node ? labelOf(frameOf(node)) : 'all';

function describe(node) {
	const {total, self} = weights, whole = total[0];
	return `${nameOf(node)}: ${amount(total[node], measure.unit)}, ${
		percent(total[node],
			whole)}; self ${amount(self[node], measure.unit)}, ${percent(self[node], whole)}`;
}

const say = text => { $('status').textContent = text; };

// A heading and lines of [text, class]; empty ones are left out.
function showTip(heading, lines, x, y) {
	const t = $('tip'), b = document.createElement('b');
	b.textContent = heading;
	t.replaceChildren(b);
	for (const [text, kind] of lines.filter(l => l[0])) {
		const div = document.createElement('div');
		div.textContent = text;
		div.className = kind;
		t.append(div);
	}
	t.hidden = false;
	const w = t.offsetWidth, h = t.offsetHeight;
	t.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 4)) + 'px';
	t.style.top = (y + 18 + h > innerHeight ? Math.max(4, y - h - 10) : y + 18) + 'px';
}

function tip(node, x, y) {
	const f = frameOf(node), total = weights.total[node], self = weights.self[node],
	      whole = weights.total[0];
	const zoomed = state.zoom ? `, of the zoom ${percent(total, weights.total[state.zoom])}` : '';
	showTip(f ? clean(f.name || '(no name)') : 'all',
		[
			[`total ${exact(total, measure.unit)} ${percent(total, whole)}${zoomed}`, 'value'],
			[`self ${exact(self, measure.unit)} ${percent(self, whole)}`, 'value'],
			[f && f.file ? clean(placeOf(f)) : '', ''],
			[f ? clean(f.module) : '', ''],
			[f ? f.kind : '', ''],
		],
		x, y);
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
		list.push(`${meta.process_count} process${meta.process_count > 1 ? 'es' : ''}, ${
			meta.thread_count} thread${meta.thread_count > 1 ? 's' : ''}`);
	if (meta.command)
		list.push(clean(meta.command));
	list.push(`lode ${meta.lode}`);
	$('facts').textContent = list.join(' \u00b7 ');
}

function notices() {
	const list = meta.notices.map(n => n.text), ul = $('notices');
	if (meta.folded_nodes)
		list.unshift(`${meta.folded_nodes.toLocaleString('en-US')} boxes below ${
			(meta.folded_below * 100)
				.toPrecision(
					2)} % of every measure are folded into "(other)" to keep this page small.`);
	if (meta.truncated)
		list.unshift('The recording ended early or was damaged: this is what could be read.');
	if (meta.lost_events || meta.lost_samples)
		list.unshift(`Lost while recording: ${meta.lost_events.toLocaleString('en-US')} events, ${
			meta.lost_samples.toLocaleString('en-US')} samples.`);
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
	const words = {
		native: 'native: cool, plain',
		inlined: 'inlined: hatched',
		python: 'Python: warm, bar at the left',
		special: 'special: dotted',
		thread: 'thread or process'
	};
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
		ctx.fillStyle = kind === 'inlined'   ? fills.hatch
				: kind === 'special' ? fills.dots
				: kind === 'python'  ? colours.bar
						     : 'transparent';
		ctx.fillRect(0, 0, kind === 'python' ? 3 : 28, 14);
		li.append(c, words[kind]);
		list.append(li);
	}
	ctx = page;
}

// ---- table --------------------------------------------------------------------------------------

function table() {
	const order = {
		self: (a, b) => a.self - b.self || a.total - b.total,
		total: (a, b) => a.total - b.total || a.self - b.self,
		name: (a, b) => a.name < b.name	  ? 1
				: a.name > b.name ? -1
						  : a.self - b.self
	}[state.sort];
	let rows = aggregate(measure.word, state.lines);
	if (matches)
		rows = rows.filter(r => r.fns.some(fn => matches[fn]));
	rows.sort((a, b) => state.up ? order(a, b) : order(b, a));
	$('top-caption').textContent =
		`${rows.length.toLocaleString('en-US')} functions${matches ? ' that match' : ''}, by ${
			measure.text}; a function's total counts recursion once.`;
	for (const b of document.querySelectorAll('[data-sort]'))
		if (b.dataset.sort === state.sort)
			b.parentNode.setAttribute('aria-sort',
				state.up === (state.sort === 'name') ? 'descending' : 'ascending');
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
			$('search').value = state.search =
				'^' + r.name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') + '$';
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
	canvas.setAttribute('aria-label',
		`Flame graph of ${measure.text}, ${
			amount(measure.total,
				measure.unit)}; the table of functions holds the same numbers`);
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
	drawTimeline();
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
	'/': () => {
		$('search').focus();
		$('search').select();
	},
	n: () => nextMatch(1),
	N: () => nextMatch(-1),
	i: () => {
		state.invert = !state.invert;
		update();
		toRoot();
	},
	l: () => setLines(!state.lines),
	m: () => stepMeasure(1),
	M: () => stepMeasure(-1),
	1: () => setView('flame'),
	2: () => setView('top'),
	0: escape,
	Escape: escape,
	d: setTheme,
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
	const point = e => {
		const r = canvas.getBoundingClientRect();
		return nodeAt(e.clientX - r.left, e.clientY - r.top);
	};
	let timer;
	document.addEventListener('keydown', onKey);
	$('measure').onchange = e => setMeasure(e.target.value);
	$('show-flame').onclick = () => setView('flame');
	$('show-top').onclick = () => setView('top');
	$('invert').onclick = keys.i;
	$('lines').onclick = keys.l;
	$('ask').onclick = keys['?'];
	$('more').onclick = () => {
		state.rows += 500;
		table();
	};
	$('search').oninput = e => {
		clearTimeout(timer);
		timer = setTimeout(() => {
			state.search = e.target.value;
			update();
		}, 80);
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
	canvas.onmouseleave = () => {
		$('tip').hidden = true;
		hover = 0;
		draw();
	};
	canvas.onclick = e => {
		const node = point(e);
		if (node >= 0)
			zoomTo(node);
	};
	scroll.onscroll = () => {
		$('tip').hidden = true;
		draw();
	};
	addEventListener('hashchange', () => {
		readHash();
		$('search').value = state.search;
		reshape();
		reweigh();
		update();
	});
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
	new ResizeObserver(() => {
		if (state.view === 'flame')
			relayout();
	}).observe(scroll);
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
	wireTimeline();
	update();
	toRoot();
	say(meta.measures.length ? 'Click a box to zoom into it; press ? for the keys.'
				 : 'There is nothing to show.');
	// For tests: the numbers that the page shows.
	window.__lode = {
		meta,
		state,
		totals: word => weigh(shapes(false), word).total[0],
		without_stack: word => weigh(shapes(false), word).self[0],
		aggregate: (word, lines) => aggregate(word, lines),
		matched: () => $('matched').textContent,
		boxes: () => shape.n,
		zoomTo,
		nodeAt,
		describe,
		rowTop,
		find: name => {
			for (let i = 1; i < shape.n; i++)
				if (frameOf(i).name === name)
					return i;
			return -1;
		},
	};
}

start().catch(error => {
	$('app').hidden = false;
	say('This page cannot be shown: ' + error.message);
	console.error(error);
});
