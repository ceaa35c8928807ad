/* SPDX-License-Identifier: GPL-2.0-only */
/* What code that balances and augments a tree by itself needs. */
#ifndef _SHIM_LINUX_RBTREE_AUGMENTED_H
#define _SHIM_LINUX_RBTREE_AUGMENTED_H

#include <linux/compiler.h>
#include <linux/rbtree.h>

/**
 * struct rb_augment_callbacks - how a tree keeps a value of each subtree
 * @propagate: compute anew from a node up to, but not including, another
 * @copy: give one node's value to another
 * @rotate: the new root of a subtree takes the old one's value, which is then
 *          computed anew
 */
struct rb_augment_callbacks {
	void (*propagate)(struct rb_node *node, struct rb_node *stop);
	void (*copy)(struct rb_node *old, struct rb_node *new);
	void (*rotate)(struct rb_node *old, struct rb_node *new);
};

#define RB_RED		0
#define RB_BLACK	1

#define __rb_parent(pc)		((struct rb_node *)((pc) & ~3UL))
#define __rb_color(pc)		((pc) & 1)
#define rb_color(rb)		__rb_color((rb)->__rb_parent_color)
#define rb_is_red(rb)		(!rb_color(rb))
#define rb_is_black(rb)		rb_color(rb)

static inline void rb_set_parent(struct rb_node *rb, struct rb_node *parent)
{
	rb->__rb_parent_color = rb_color(rb) | (unsigned long)parent;
}

static inline void rb_set_parent_color(struct rb_node *rb, struct rb_node *parent,
				       int color)
{
	rb->__rb_parent_color = (unsigned long)parent | color;
}

/* @parent's link to @old (the root's, without a parent) becomes one to @new. */
static inline void __rb_change_child(struct rb_node *old, struct rb_node *new,
				     struct rb_node *parent, struct rb_root *root)
{
	if (!parent)
		WRITE_ONCE(root->rb_node, new);
	else if (parent->rb_left == old)
		WRITE_ONCE(parent->rb_left, new);
	else
		WRITE_ONCE(parent->rb_right, new);
}

/* @compute(node, exit): true if nothing changed and @exit allows to stop there. */
#define RB_DECLARE_CALLBACKS(rbstatic, name, type, field, value, compute)	\
static inline void name##_propagate(struct rb_node *rb, struct rb_node *stop)	\
{										\
	for (; rb != stop; rb = rb_parent(rb))					\
		if (compute(rb_entry(rb, type, field), true))			\
			break;							\
}										\
static inline void name##_copy(struct rb_node *old, struct rb_node *new)	\
{										\
	rb_entry(new, type, field)->value = rb_entry(old, type, field)->value;	\
}										\
static void name##_rotate(struct rb_node *old, struct rb_node *new)		\
{										\
	name##_copy(old, new);							\
	compute(rb_entry(old, type, field), false);				\
}										\
rbstatic const struct rb_augment_callbacks name = {				\
	name##_propagate, name##_copy, name##_rotate				\
}

/* The value is the maximum of own(node) over the subtree. */
#define RB_DECLARE_CALLBACKS_MAX(rbstatic, name, type, field, vtype, value, own) \
static inline bool name##_compute_max(typeof(type) *node, bool exit)		\
{										\
	vtype max = own(node);							\
	type *child;								\
										\
	child = rb_entry_safe(node->field.rb_left, type, field);		\
	if (child && child->value > max)					\
		max = child->value;						\
	child = rb_entry_safe(node->field.rb_right, type, field);		\
	if (child && child->value > max)					\
		max = child->value;						\
	if (exit && node->value == max)						\
		return true;							\
	node->value = max;							\
	return false;								\
}										\
RB_DECLARE_CALLBACKS(rbstatic, name, type, field, value, name##_compute_max)

#endif /* _SHIM_LINUX_RBTREE_AUGMENTED_H */
