/* The page's sources, as they are, inside the program: lode_html_page, lode_html_style, lode_html_script and their ends.
 * .incbin finds the files through -Ireader/html. */
	.section .rodata

	.macro asset name, files:vararg
	.global \name
	.global \name\()_end
	.type \name, STT_OBJECT
	.type \name\()_end, STT_OBJECT
\name:
	.irp file, \files
	.incbin "\file"
	.endr
\name\()_end:
	.byte 0
	.endm

	asset lode_html_page, "viewer.html"
	asset lode_html_style, "viewer.css"
	asset lode_html_script, "data.js", "shape.js", "graph.js", "timeline.js", "viewer.js"

	.section .note.GNU-stack,"",%progbits
