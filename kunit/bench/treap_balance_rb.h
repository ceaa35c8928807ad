/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The heap's tree, balanced as the kernel's others are: a part of treap.c. What the kernel calls
 * for the sums is told of a node, not of the child that changed, so both children are
 * looked at.
 */
static void recompute(struct span_treap_node *node)
{
	const struct span_treap_node *left = left_of(node), *right = right_of(node);

	node->left_max = left ? span_treap_longest(left) : 0;
	node->left_types = left ? subtree_types(left) : 0;
	node->right_max = right ? span_treap_longest(right) : 0;
	node->right_types = right ? subtree_types(right) : 0;
}

static void augment_propagate(struct rb_node *rb, struct rb_node *stop)
{
	struct rb_node *parent;
	bool news = true;

	for (; rb != stop && news; rb = parent) {
		recompute(node_of(rb));
		parent = rb_parent(rb);
		if (!parent)
			break;
		news = tell_max(node_of(parent), rb, span_treap_longest(node_of(rb)));
		news |= tell_types(node_of(parent), rb, subtree_types(node_of(rb)));
	}
}

static void augment_copy(struct rb_node *rb_old, struct rb_node *rb_new)
{
	struct span_treap_node *old = node_of(rb_old), *new = node_of(rb_new);

	new->left_max = old->left_max;
	new->left_types = old->left_types;
	new->right_max = old->right_max;
	new->right_types = old->right_types;
}

static void augment_rotate(struct rb_node *rb_old, struct rb_node *rb_new)
{
	recompute(node_of(rb_old));
	recompute(node_of(rb_new));
}

static const struct rb_augment_callbacks augment = {
	.propagate = augment_propagate,
	.copy = augment_copy,
	.rotate = augment_rotate,
};

static void balance(struct span_treap *treap, struct span_treap_node *node)
{
	rb_insert_augmented(&node->rb, &treap->root, &augment);
}

static void take_out(struct span_treap *treap, struct span_treap_node *node)
{
	rb_erase_augmented(&node->rb, &treap->root, &augment);
}
