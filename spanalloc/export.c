// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports: buffers of programs as dma-bufs.
 */

/**
 * DOC: Exports
 *
 * A dma-buf is a file that stands for pages: a program maps it, sends it to another
 * one, or hands it to a driver, which has a device transfer to and from the pages. An
 * export holds one reference on its buffer, and drops it when the file is gone
 * everywhere: programs have it open, and drivers that import it hold a reference on it,
 * all of which keep this module too. What happens to the pages then is buffer.c's
 * business; so the pin gate runs there as well.
 *
 * An export shows the part of the buffer that its handle named at that time, and no
 * more: for lists and kernel mappings are made of that part, and mmap() checks its range
 * here. As with the device, each mmap() holds the buffer by an internal file of its
 * own (mapping.c), so a mapping does not keep the dma-buf.
 *
 * Read-only means that nobody writes through it. The kernel sees to it for mmap(), as the
 * file cannot be written; but a driver may map a dma-buf into a file of its own that can
 * (dma_buf_mmap()), so .mmap looks at the mapping as well. A transfer that a device
 * writes with is refused with EACCES, and there is no .vmap, since a kernel mapping
 * could be written. In Linux 6.1 a driver that takes part in moving buffers is given a
 * mapping for both directions, and cannot attach to a read-only export at all.
 *
 * Nothing is done in .attach: each mapping for a device has a list of its own, made for
 * what that device takes. So several of one attachment are legal. They are linked, so
 * that accesses by the processor can be announced to all devices; where devices work on
 * copies, two that write to the same pages spoil each other's work, as with any exporter.
 * A page that had a memory error is exported like any other.
 *
 * Locking: what the core holds, in Linux 6.1 and 7.2:
 *
 *	.map_dma_buf, .unmap_dma_buf	the reservation lock (6.1: not if the driver
 *					calls dma_buf_map_attachment() itself)
 *	.vmap, .vunmap			6.1: a mutex of the dma-buf; 7.2: the
 *					reservation lock
 *	.begin_cpu_access, .end_cpu_access	nothing
 *	.mmap				mmap_lock for writing
 *	.release			nothing; at the end of an fput()
 *
 * So the reservation lock cannot protect the list of mappings; each export has a mutex
 * that nests in it, with nothing inside. Memory is asked for under the reservation lock,
 * which the core allows, before the mutex is taken. The heap's lock may be taken under
 * either of the core's, where a reference on the buffer ends.
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "buffer.h"
#include "compat.h"
#include "export.h"
#include "view.h"

/**
 * struct span_export - a part of a buffer, as a dma-buf
 * @buffer: the buffer, which the export holds a reference on
 * @part: the pages (invariant)
 * @writable: may be written to (invariant)
 * @lock: protects @mappings
 * @mappings: struct span_device_map: where devices reach the pages
 */
struct span_export {
	struct span_buffer *buffer;
	struct span_part part;
	bool writable;
	struct mutex lock;	/* protects mappings */
	struct list_head mappings;
};

/**
 * struct span_device_map - pages of an export, mapped for a device
 * @sgt: the list, which is what the driver sees
 * @list: links the mappings of an export
 * @dev: the device
 * @dir: which way it transfers
 */
struct span_device_map {
	struct sg_table sgt;
	struct list_head list;
	struct device *dev;
	enum dma_data_direction dir;
};

/* A device says how much it takes in one piece; less than a page would be of no use. */
static unsigned int max_segment(struct device *dev)
{
	size_t max = min_t(size_t, dma_get_max_seg_size(dev), dma_max_mapping_size(dev));

	return max_t(size_t, max, PAGE_SIZE);
}

static struct sg_table *export_map_dma_buf(struct dma_buf_attachment *attach,
					   enum dma_data_direction dir)
{
	struct span_export *export = attach->dmabuf->priv;
	struct span_device_map *map;
	int err;

	if (!export->writable && dir != DMA_TO_DEVICE)
		return ERR_PTR(-EACCES);
	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dev = attach->dev;
	map->dir = dir;
	err = span_part_sg(&export->part, &map->sgt, max_segment(map->dev), GFP_KERNEL);
	if (err)
		goto err_map;
	err = dma_map_sgtable(map->dev, &map->sgt, dir, 0);
	if (err)
		goto err_sgt;
	mutex_lock(&export->lock);
	list_add(&map->list, &export->mappings);
	mutex_unlock(&export->lock);
	return &map->sgt;

err_sgt:
	sg_free_table(&map->sgt);
err_map:
	kfree(map);
	return ERR_PTR(err);
}

static void export_unmap_dma_buf(struct dma_buf_attachment *attach, struct sg_table *sgt,
				 enum dma_data_direction dir)
{
	struct span_device_map *map = container_of(sgt, struct span_device_map, sgt);
	struct span_export *export = attach->dmabuf->priv;

	mutex_lock(&export->lock);
	list_del(&map->list);
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(map->dev, sgt, map->dir, 0);
	sg_free_table(sgt);
	kfree(map);
}

/*
 * A mapping is synchronized the way it was made, whatever the processor is going to do:
 * the two calls only mean something in pairs.
 */
static int export_begin_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct span_export *export = dmabuf->priv;
	struct span_device_map *map;

	mutex_lock(&export->lock);
	list_for_each_entry(map, &export->mappings, list)
		dma_sync_sgtable_for_cpu(map->dev, &map->sgt, map->dir);
	mutex_unlock(&export->lock);
	return 0;
}

static int export_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct span_export *export = dmabuf->priv;
	struct span_device_map *map;

	mutex_lock(&export->lock);
	list_for_each_entry(map, &export->mappings, list)
		dma_sync_sgtable_for_device(map->dev, &map->sgt, map->dir);
	mutex_unlock(&export->lock);
	return 0;
}

static int export_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct span_export *export = dmabuf->priv;
	int err = span_mapping_check(vma);

	if (err)
		return err;
	if (vma->vm_pgoff >= export->part.npages ||
	    vma_pages(vma) > export->part.npages - vma->vm_pgoff)
		return -EINVAL;
	if (!export->writable && (vma->vm_flags & VM_WRITE))
		return -EACCES;
	if (!export->writable)
		span_vm_flags_mod(vma, 0, VM_MAYWRITE);
	/* From here on the offset is the one that the device would have. */
	vma->vm_pgoff += export->buffer->pgoff + export->part.first;
	return span_buffer_map(span_buffer_get(export->buffer), vma);
}

static int export_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct span_export *export = dmabuf->priv;
	void *address = span_part_vmap(&export->part);

	if (IS_ERR(address))
		return PTR_ERR(address);
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void export_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void export_delete(struct span_export *export)
{
	struct span_buffer *buffer = export->buffer;

	WARN_ON_ONCE(!list_empty(&export->mappings));
	mutex_destroy(&export->lock);
	kfree(export);
	atomic_dec(&buffer->nexports);
	span_buffer_put(buffer);
}

static void export_release(struct dma_buf *dmabuf)
{
	export_delete(dmabuf->priv);
}

#define EXPORT_OPS						\
	.map_dma_buf = export_map_dma_buf,			\
	.unmap_dma_buf = export_unmap_dma_buf,			\
	.begin_cpu_access = export_begin_cpu_access,		\
	.end_cpu_access = export_end_cpu_access,		\
	.mmap = export_mmap,					\
	.release = export_release

static const struct dma_buf_ops writable_ops = {
	EXPORT_OPS,
	.vmap = export_vmap,
	.vunmap = export_vunmap,
};

/* For what is read-only, or too long to be mapped into the kernel. */
static const struct dma_buf_ops unmapped_ops = {
	EXPORT_OPS,
};

/**
 * span_export_new() - make a dma-buf of a part of a buffer
 * @buffer: the buffer, on which the export takes a reference of its own
 * @first: where the part begins, in pages from the buffer's begin
 * @npages: its length, at least 1, inside the buffer
 * @writable: may the part be written through the dma-buf?
 *
 * Context: may sleep; without locks.
 * Return: the file, or ERR_PTR(): -ENOMEM, -ENFILE, or -ENOTTY in a kernel without
 * dma-bufs.
 */
struct file *span_export_new(struct span_buffer *buffer, unsigned long first,
			     unsigned long npages, bool writable)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct span_export *export;
	struct dma_buf *dmabuf;

	export = kzalloc(sizeof(*export), GFP_KERNEL_ACCOUNT);
	if (!export)
		return ERR_PTR(-ENOMEM);
	export->buffer = span_buffer_get(buffer);
	export->part = (struct span_part) {
		.heap = buffer->heap, .span = buffer->span,
		.first = first, .npages = npages,
	};
	export->writable = writable;
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->mappings);
	atomic_inc(&buffer->nexports);
	/* The core warns of a mapping into the kernel that fails, so none is offered. */
	info.ops = writable && npages <= SPAN_VMAP_PAGES_MAX ? &writable_ops : &unmapped_ops;
	info.size = npages << PAGE_SHIFT;
	info.flags = writable ? O_RDWR : O_RDONLY;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (!IS_ERR(dmabuf))
		return dmabuf->file;
	export_delete(export);
	return ERR_CAST(dmabuf);
}

SPAN_IMPORT_DMA_BUF();
