// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views of a span: while there is one, the span can be neither freed nor split.
 */
#include <linux/kernel.h>

#include "heap_world.h"

static const struct geometry eight = {
	.order = 3, .arena = 64, .limit = 1000, .retain = -1,
};

/* Each way to take pages away from a span, and nothing is changed by it. */
static void refused(struct span *span)
{
	EXPECT_EQ(span_heap_free(hw.heap, span), -EBUSY);
	EXPECT_EQ(span_heap_quarantine(hw.heap, span), -EBUSY);
	EXPECT_EQ(PTR_ERR_OR_ZERO(span_heap_split(hw.heap, span, 3, GFP_KERNEL)), -EBUSY);
	EXPECT(hw_verify_all(), "a refusal has changed something");
}

void views_keep_a_span(void)
{
	struct span_info info;
	struct span *span;

	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(hw_alloc(5, 0, 0, GFP_KERNEL) && hw_alloc(10, 0, 0, GFP_KERNEL), "scene");
	span = span_heap_lookup(hw.heap, 5);
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), 0);
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), 0);
	EXPECT(span_heap_next_span(hw.heap, 7, &info) && info.views == 2, "not shown");
	refused(span);
	EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
	refused(span);
	/* Of others nothing is kept. */
	REQUIRE(hw_free(hw_at(0)) && hw_scavenge(~0UL) && hw_verify_all(), "the neighbour");
	EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
	EXPECT(span_heap_next_span(hw.heap, 7, &info) && !info.views, "shown for ever");
	REQUIRE(hw_split(hw_at(5), 3) && hw_verify_all(), "split after all");
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), 0);
	EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
	REQUIRE(hw_quarantine(hw_at(8)) && hw_free(hw_at(8)) && hw_free(hw_at(5)) &&
		hw_verify_all(), "freed after all");
	hw_destroy();
}

/* What has no owner has no views, and the count cannot overflow. */
void views_are_counted(void)
{
	struct span *span;
	unsigned int i;

	REQUIRE(hw_create(&eight), "no heap");
	REQUIRE(hw_alloc(5, 0, 0, GFP_KERNEL), "scene");
	span = span_heap_lookup(hw.heap, 0);
	for (i = 0; i < U16_MAX; i++)
		if (span_heap_view_begin(hw.heap, span))
			break;
	EXPECT_EQ(i, U16_MAX);
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), -EOVERFLOW);
	refused(span);
	while (i--)
		EXPECT_EQ(span_heap_view_end(hw.heap, span), 0);
	EXPECT_EQ(shim_take_warnings(), 0);
	shim_quiet = true;
	EXPECT_EQ(span_heap_view_end(hw.heap, span), -EINVAL);
	EXPECT_EQ(shim_take_warnings(), 1);
	REQUIRE(hw_quarantine(0), "quarantine");
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), -EINVAL);
	EXPECT_EQ(span_heap_view_end(hw.heap, span), -EINVAL);
	EXPECT_EQ(shim_take_warnings(), 2);
	hw.heap->damaged = true;
	EXPECT_EQ(span_heap_view_begin(hw.heap, span), -EIO);
	EXPECT_EQ(span_heap_view_end(hw.heap, span), -EIO);
	hw.heap->damaged = false;
	shim_quiet = false;
	REQUIRE(hw_free(0) && hw_verify_all(), "after");
	hw_destroy();
}
