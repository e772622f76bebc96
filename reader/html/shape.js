// data -> shape (boxes: equal functions below equal boxes are one) -> weights (one measure) -> rows of the
// table. Every tree is in topological order (a parent's index is smaller), so sums are one loop backwards.

// The boxes: data nodes with equal functions below equal boxes are one.
function shapeOf(lines) {
	const fns = functionsOf(data.frames, lines), of = new Int32Array(data.n), parent = [0], fn = [-1],
	      depth = [0], first = [0];
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
	return {
		fns,
		of,
		n: parent.length,
		parent: Int32Array.from(parent),
		fn: Int32Array.from(fn),
		depth: Int32Array.from(depth),
		first: Int32Array.from(first)
	};
}

// One measure on a shape: self, total, children (largest first) and each box's left edge, in units of the
// measure.
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

// Table rows, as `--by function` makes them: the kind does not matter, a thread as root frame is none.
// Total counts once per stack, so that recursion does not count twice: a walk in pre-order with a count of
// open boxes for each row.
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
